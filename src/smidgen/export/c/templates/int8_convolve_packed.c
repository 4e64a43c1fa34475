
#if PACKED
/* Four pixels by four outputs, for cores that multiply 32 bits and have registers enough: a word holds
   two pixels' terms, the second 16 bits up, so a multiplication is two products, of which two fit
   beside 2**15, which keeps the lower half positive. Whole words are added up modulo 2**32 and upper
   halves by themselves: both together tell the lower halves' sum. 136 instructions are 64 products. */
typedef struct {
  const uint32_t *windows, *end;
  const int8_t *weight; /* 8 */
  const uint32_t *unit, *unit_end; /* 12, 16 */
  int8_t *out; /* 20 */
  int32_t beside, beyond; /* 24, 28: bytes from the first pixel's output to the second's, and to the third's, or 0 */
  int32_t pair; /* 32: bytes of a pair of outputs' weights */
  uint32_t extra; /* 36: what every 2**15 of a sum makes together */
  int32_t zero, relu; /* 40, 44: twice the zero point and 257; whether negative sums end at -128 */
  int8_t *const *rows, *const *rows_end; /* 48, 52 */
  int32_t at, step, far, span; /* 56: bytes from a row's start, to the second pixel, to the third, of a row of a window */
  int32_t pitch, blocks, on, out_on; /* 72: bytes of that row as words; blocks of pixels, and bytes from one to the next */
} tiled;

/* The windows' words, by fours of terms, up to three too many, which those of the next row overwrite. */
#define TERM(from, low, high) \
  "lb t0," from "(a1)\n\tlb t1," from "(a2)\n\tlb t2," from "(a3)\n\tlb t3," from "(a4)\n\tslli t1,t1,16\n\tslli t3,t3,16\n\t" \
  "add t0,t0,t1\n\tadd t2,t2,t3\n\tsw t0," low "(a5)\n\tsw t2," high "(a5)\n\t"
#define WIDEN \
  "lw s0,48(a0)\n\tlw s1,52(a0)\n\tlw s2,56(a0)\n\tlw s3,60(a0)\n\tlw s4,64(a0)\n\tlw s5,68(a0)\n\tlw s6,72(a0)\n\tlw s7,0(a0)\n" \
  "1:\n\tlw a1,0(s0)\n\tmv a5,s7\n\tadd a1,a1,s2\n\tadd a2,a1,s3\n\tadd a3,a1,s4\n\tadd a4,a2,s4\n\tadd a6,a1,s5\n" \
  "2:\n\t" TERM("0", "0", "4") TERM("1", "8", "12") TERM("2", "16", "20") TERM("3", "24", "28") \
  "addi a1,a1,4\n\taddi a2,a2,4\n\taddi a3,a3,4\n\taddi a4,a4,4\n\taddi a5,a5,32\n\tbltu a1,a6,2b\n\taddi s0,s0,4\n\tadd s7,s7,s6\n\tbne s0,s1,1b\n\t"
/* Two pixels' sums: whole in a, upper halves in b. */
#define TWO_SUMS(a, b, first, second) \
  "mul a1,s1," first "\n\tmul a2,t3," second "\n\tadd a1,a1,a2\n\tadd a1,a1,t2\n\tadd " a "," a ",a1\n\tsrai a1,a1,16\n\tadd " b "," b ",a1\n\t"
#define TWO_WEIGHTS(from, first, second) "lb s1," first "(" from ")\n\tlb t3," second "(" from ")\n\t"
#define TWO_TERMS(sums, w, x, y, z) \
  TWO_WEIGHTS("t0", w, x) sums("s2", "s10", "s3", "s11") TWO_WEIGHTS("t0", y, z) sums("s4", "a6", "s5", "a7") \
  TWO_WEIGHTS("t1", w, x) sums("s6", "t4", "s7", "t5") TWO_WEIGHTS("t1", y, z) sums("s8", "t6", "s9", "ra")
#define TWO_PIXELS(a, b, c, d) TWO_SUMS(a, b, "a3", "a5")
#define FOUR_PIXELS(a, b, c, d) TWO_SUMS(a, b, "a3", "a5") TWO_SUMS(c, d, "a4", "s0")
#define FOUR_TERMS(again) "addi a0,a0,32\n\taddi t0,t0,8\n\taddi t1,t1,8\n\tlw a1,56(sp)\n\tbne a0,a1," again "\n\t"
#define BIAS(at, a, b, c, d) "lw " b "," at "(a3)\n\tslli a5," b ",16\n\tadd a5,a5," b "\n\tsub " a ",a5,a4\n\tmv " c "," a "\n\tmv " d "," b "\n\t"
/* A sum in steps of the map it goes to, as in int8_arithmetic.c; and what is done to a negative one,
   which ends at -128 however it is rounded where that is the zero point. */
#define PUT(x, at, way, on) \
  "bltz " x "," way "f\n\tmulhsu s10," x ",a1\n" on ":\n\tmul " x "," x ",a1\n\tsrli " x "," x ",31\n\tadd " x "," x ",s10\n\tadd " x "," x ",t3\n\tsra " x "," x ",s11\n\t" \
  "bgeu s2," x ",8f\n\tsrai " x "," x ",31\n\tnot " x "," x "\n8:\n\taddi " x "," x ",-128\n\tsb " x ",0(" at ")\n" way "0:\n\t"
#if RELU
#define NEGATIVE(x, at, way, on) way ":\n\tsb s3,0(" at ")\n\tj " way "0b\n"
#else
#define NEGATIVE(x, at, way, on) way ":\n\tbeqz a0,8f\n\tsb s3,0(" at ")\n\tj " way "0b\n8:\n\tmulhsu s10," x ",a1\n\taddi s10,s10,-1\n\tj " on "b\n"
#endif
#define OUT(a, b, c, d) "slli a2," b ",16\n\tslli a4," d ",16\n\tsub a2," a ",a2\n\tsub a4," c ",a4\n\tmv a3," b "\n\tmv a5," d "\n\t"
__attribute__((naked, noinline)) static void tile(__attribute__((unused)) tiled *own) {
  __asm__ volatile(
    "addi sp,sp,-80\n\tsw ra,0(sp)\n\tsw s0,4(sp)\n\tsw s1,8(sp)\n\tsw s2,12(sp)\n\tsw s3,16(sp)\n\tsw s4,20(sp)\n\tsw s5,24(sp)\n\t"
    "sw s6,28(sp)\n\tsw s7,32(sp)\n\tsw s8,36(sp)\n\tsw s9,40(sp)\n\tsw s10,44(sp)\n\tsw s11,48(sp)\n\tlw a1,4(a0)\n\tlw a2,16(a0)\n\tlw a3,40(a0)\n\tsw a0,52(sp)\n\tsw a1,56(sp)\n\tsw a2,60(sp)\n\tsw a3,64(sp)\n"
    "0:\n\t" WIDEN "lw a1,8(a0)\n\tlw a2,12(a0)\n\tlw a3,20(a0)\n\tsw a1,68(sp)\n\tsw a2,72(sp)\n\tsw a3,76(sp)\n\t"); /* a string has at most 4,095 characters */
  __asm__ volatile(
    "1:\n\tlw t0,68(sp)\n\tlw a3,72(sp)\n\tlw a1,60(sp)\n\tlw a2,32(a0)\n\tlw a4,36(a0)\n\tlw s0,28(a0)\n\tlw a0,0(a0)\n\taddi a1,a1,-16\n\tlui t2,8\n\tmv t1,t0\n\t"
    "bgeu a3,a1,2f\n\tadd t1,t0,a2\n2:\n\t" /* a pair without another is computed twice */
    BIAS("0", "s2", "s10", "s3", "s11") BIAS("8", "s4", "a6", "s5", "a7") BIAS("16", "s6", "t4", "s7", "t5") BIAS("24", "s8", "t6", "s9", "ra") "beqz s0,4f\n"
    "3:\n\tlw a3,0(a0)\n\tlw a4,4(a0)\n\tlw a5,8(a0)\n\tlw s0,12(a0)\n\t");
  __asm__ volatile(
    TWO_TERMS(FOUR_PIXELS, "0", "4", "1", "5"));
  __asm__ volatile(
    "lw a3,16(a0)\n\tlw a4,20(a0)\n\tlw a5,24(a0)\n\tlw s0,28(a0)\n\t" TWO_TERMS(FOUR_PIXELS, "2", "6", "3", "7")
    FOUR_TERMS("3b") "j 5f\n");
  __asm__ volatile(
    "4:\n\tlw a3,0(a0)\n\tlw a5,8(a0)\n\t" TWO_TERMS(TWO_PIXELS, "0", "4", "1", "5")
    "lw a3,16(a0)\n\tlw a5,24(a0)\n\t" TWO_TERMS(TWO_PIXELS, "2", "6", "3", "7") FOUR_TERMS("4b"));
  __asm__ volatile(
    "5:\n\tlw a1,52(sp)\n\tsw t1,68(sp)\n\tlw s0,76(sp)\n\tlw s1,72(sp)\n\tlw t1,24(a1)\n\tlw t2,28(a1)\n\tlw a0,44(a1)\n\t"
    OUT("s2", "s10", "s3", "s11") "li s2,255\n\tli s3,-128\n\tjal t0,5f\n\tlw a1,60(sp)\n\tbeq s1,a1,9f\n\t"
    OUT("s4", "a6", "s5", "a7") "lw s4,60(sp)\n\tjal t0,5f\n\tbeq s1,s4,9f\n\t" OUT("s6", "t4", "s7", "t5") "jal t0,5f\n\tbeq s1,s4,9f\n\t"
    OUT("s8", "t6", "s9", "ra") "jal t0,5f\n\tbeq s1,s4,9f\n\tlw a0,52(sp)\n\tsw s0,76(sp)\n\tsw s1,72(sp)\n\tj 1b\n");
  __asm__ volatile(
    "5:\n\tlw a1,4(s1)\n\tlw t3,64(sp)\n\tsrli s11,a1,1\n\tsll t3,t3,s11\n\taddi s11,s11,1\n\t"
    PUT("a2", "s0", "11", "21") "add a2,s0,t1\n\t" PUT("a3", "a2", "12", "22") "beqz t2,6f\n\tadd a3,s0,t2\n\t"
    PUT("a4", "a3", "13", "23") "add a3,a3,t1\n\t" PUT("a5", "a3", "14", "24")
    "6:\n\taddi s0,s0,1\n\taddi s1,s1,8\n\tjr t0\n"
    NEGATIVE("a2", "s0", "11", "21") NEGATIVE("a3", "a2", "12", "22") NEGATIVE("a4", "a3", "13", "23") NEGATIVE("a5", "a3", "14", "24")
    "9:\n\tlw a0,52(sp)\n\tlw a1,76(a0)\n\tlw a2,56(a0)\n\tlw a3,80(a0)\n\tlw a4,20(a0)\n\tlw a5,84(a0)\n\taddi a1,a1,-1\n\tadd a2,a2,a3\n\tadd a4,a4,a5\n\t"
    "sw a1,76(a0)\n\tsw a2,56(a0)\n\tsw a4,20(a0)\n\tbnez a1,0b\n\tlw ra,0(sp)\n\tlw s0,4(sp)\n\tlw s1,8(sp)\n\tlw s2,12(sp)\n\tlw s3,16(sp)\n\tlw s4,20(sp)\n\tlw s5,24(sp)\n\t"
    "lw s6,28(sp)\n\tlw s7,32(sp)\n\tlw s8,36(sp)\n\tlw s9,40(sp)\n\tlw s10,44(sp)\n\tlw s11,48(sp)\n\taddi sp,sp,80\n\tret\n");
}

/* Four columns at a time, two where no more are left; the last may be computed twice. */
SMALL static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own[1].channels, width = own[1].width, kernel = own->kernel, span = ACROSS(own) * own->channels;
  const int size = PADDED(kernel * span), step = width > 1 ? own->stride * own->channels : 0, fours = width / 4;
  const uint32_t *const unit = units + 2 * own->unit;
  uint32_t *const windows = (uint32_t *)(void *)(MEMORY(rows) + PATCH);
  tiled args = {windows, windows + 2 * size, weights + own->weight, unit, unit + 2 * count, out, width > 1 ? count : 0, 2 * count, 2 * size,
                (uint32_t)size << 14, 2 * own[1].zero + 257, own[1].zero == -128, rows, rows + kernel, 0, step, 2 * step, span,
                8 * (PADDED(span) * kernel == size ? PADDED(span) : span), fours, 4 * step, 4 * count};
  (void)at;
  if (fours) tile(&args);
  if (width > 4 * fours) {
    const int beyond = width - 4 * fours < 3 ? 0 : fours ? 2 : 1, x = width > 1 ? width - 2 - beyond : 0; /* columns */
    args.beyond = beyond * count, args.far = beyond * step, args.at = x * step, args.out = out + x * count, args.blocks = 1;
    tile(&args);
  }
}
#endif
