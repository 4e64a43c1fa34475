
#if PACKED && ROLLED_FILTERS
/* Channels of a row, each alone, 3 x 3, its nine weights in registers: a column ends one sum, goes on
   with another and begins a third, 37 instructions an output; at stride 2, every other one does. */
typedef struct {
  const int8_t *weight, *pixels[3]; /* 0, 4 */
  const uint32_t *unit, *unit_end; /* 16, 20 */
  int8_t *out; /* 24 */
  int32_t channels, size, back; /* 28, 32, 36: bytes to the next pixel, of a row, from behind what was read to the next channel */
  int32_t zero, strided; /* 40, 44: twice the zero point and 257; whether at stride 2 */
} filtering;

#define COLUMN "lb t0,0(a0)\n\tlb t1,0(a1)\n\tlb t2,0(a2)\n\tadd a0,a0,a3\n\tadd a1,a1,a3\n\tadd a2,a2,a3\n\t"
#define TAPS(sum, before, a, b, c) \
  "mul t3,t0," a "\n\tmul t4,t1," b "\n\tadd " sum "," before ",t3\n\tmul t3,t2," c "\n\tadd " sum "," sum ",t4\n\tadd " sum "," sum ",t3\n\t"
#define FIRST_TAPS TAPS("s9", "t5", "s0", "s3", "s6")
#define SECOND_TAPS(before) TAPS("s10", before, "s1", "s4", "s7")
#define THIRD_TAPS TAPS("s10", "s10", "s2", "s5", "s8")
/* What is below 0 is one less before half a step is added: away from 0. */
#define ROUNDED "mulhsu t3,s10,t6\n\tmul t4,s10,t6\n\tsrai s10,s10,31\n\tadd t3,t3,s11\n\tsrli t4,t4,31\n\tadd t3,t3,s10\n\tadd t3,t3,t4\n\tsra ra,t3,a6\n\t"
#define PUT_NEXT "bgeu a7,ra,5f\n\tsrai ra,ra,31\n\tnot ra,ra\n5:\n\taddi ra,ra,-128\n\tsb ra,0(a4)\n\tadd a4,a4,a3\n\t"
#if EVERY_OTHER_ROLLED
#define STRIDED \
  "lw t3,44(t0)\n\tbeqz t3,6f\n\t" COLUMN FIRST_TAPS "\n7:\n\t" COLUMN SECOND_TAPS("s9") COLUMN THIRD_TAPS ROUNDED FIRST_TAPS PUT_NEXT "bne a4,a5,7b\n\tj 4f\n6:\n\t"
#else
#define STRIDED
#endif
__attribute__((naked, noinline)) static void filter_row(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "addi sp,sp,-64\n\tsw s0,0(sp)\n\tsw s1,4(sp)\n\tsw s2,8(sp)\n\tsw s3,12(sp)\n\tsw s4,16(sp)\n\tsw s5,20(sp)\n\tsw s6,24(sp)\n\tsw s7,28(sp)\n\t"
    "sw s8,32(sp)\n\tsw s9,36(sp)\n\tsw s10,40(sp)\n\tsw s11,44(sp)\n\tsw a0,48(sp)\n\tsw ra,52(sp)\n\tmv t0,a0\n\tlw a0,4(t0)\n\tlw a1,8(t0)\n\tlw a2,12(t0)\n\tlw a3,28(t0)\n\tlw a4,24(t0)\n\t"
    "lw t1,0(t0)\n\tlw t2,16(t0)\n\tli a7,255\n"
    "1:\n\tlw s11,40(t0)\n\tlw a5,32(t0)\n\tlb s0,0(t1)\n\tlb s1,4(t1)\n\tlb s2,8(t1)\n\tlb s3,12(t1)\n\tlb s4,16(t1)\n\tlb s5,20(t1)\n\t"
    "lb s6,24(t1)\n\tlb s7,28(t1)\n\tlb s8,32(t1)\n\tlw t5,0(t2)\n\tlw t6,4(t2)\n\taddi t2,t2,8\n\taddi t1,t1,1\n\tsrli a6,t6,1\n\tadd a5,a5,a4\n\tandi t4,t1,3\n\tsll s11,s11,a6\n\taddi a6,a6,1\n\t"
    "bnez t4,2f\n\taddi t1,t1,32\n2:\n\tsw t1,56(sp)\n\tsw t2,60(sp)\n\t"); /* a string has at most 4,095 characters */
  __asm__ volatile(
    STRIDED
    COLUMN FIRST_TAPS COLUMN SECOND_TAPS("s9") FIRST_TAPS "\n3:\n\t" COLUMN THIRD_TAPS ROUNDED SECOND_TAPS("s9") FIRST_TAPS PUT_NEXT "bne a4,a5,3b\n");
  __asm__ volatile(
    "4:\n\tlw t0,48(sp)\n\tlw t1,56(sp)\n\tlw t2,60(sp)\n\tlw t3,36(t0)\n\tlw t4,32(t0)\n\tlw t5,20(t0)\n\tsub a0,a0,t3\n\tsub a1,a1,t3\n\tsub a2,a2,t3\n\tsub a4,a4,t4\n\taddi a4,a4,1\n\tbne t2,t5,1b\n\t"
    "lw s0,0(sp)\n\tlw s1,4(sp)\n\tlw s2,8(sp)\n\tlw s3,12(sp)\n\tlw s4,16(sp)\n\tlw s5,20(sp)\n\tlw s6,24(sp)\n\tlw s7,28(sp)\n\tlw s8,32(sp)\n\tlw s9,36(sp)\n\tlw s10,40(sp)\n\tlw s11,44(sp)\n\tlw ra,52(sp)\n\taddi sp,sp,64\n\tret\n");
}

SMALL static void filter_channels(const layer *own, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, width = own[1].width, read = own->stride > 1 ? 2 * width + 1 : width + 2;
  const uint32_t *const unit = units + 2 * own->unit;
  const filtering args = {weights + own->weight, {rows[0], rows[1], rows[2]}, unit, unit + 2 * channels, out, channels,
                          width * channels, read * channels - 1, 2 * own[1].zero + 257, own->stride > 1};
  filter_row(&args);
}
#endif
