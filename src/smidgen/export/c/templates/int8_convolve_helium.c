
#if HELIUM
/* Two pixels by two outputs: sixteen terms of each at a time, of 32 that lie as bytes of four kinds
   in the weights and of two in the windows; 17 instructions are 128 products. What lies behind a
   window is read and masked. */
typedef struct {
  const int8_t *left, *right; /* windows */
  uint32_t whole, rest; /* turns of 32 terms; half of the terms after them */
  const uint32_t *unit, *unit_end;
  int8_t *out;
  uint32_t beside; /* bytes from the first pixel's outputs to the second's */
  int32_t zero;
} tiled;

#define WINDOW_TERMS(from, back) "vld20.16 {q4, q5}, [" from "]\n\tvld21.16 {q4, q5}, [" from "]" back "\n\t"
#define WEIGHT_TERMS(back) \
  "vld40.8 {q0, q1, q2, q3}, [r1]\n\tvld41.8 {q0, q1, q2, q3}, [r1]\n\tvld42.8 {q0, q1, q2, q3}, [r1]\n\tvld43.8 {q0, q1, q2, q3}, [r1]" back "\n\t"
#define FOUR_SUMS(t, a, b) \
  "vmladava" t ".s8 " a ", q0, q4\n\tvmladava" t ".s8 " b ", q1, q4\n\tvmladava" t ".s8 " a ", q2, q5\n\tvmladava" t ".s8 " b ", q3, q5\n\t"
#if RELU /* what is negative ends at -128 however it is rounded */
#define AWAY_BY_FOURS
#else
#define AWAY_BY_FOURS "vshr.s32 q2, q0, #31\n\tvadd.i32 q0, q0, q2\n\t"
#endif
/* Sums of the first pixel are in r0 and r4, of the other in r2 and r6. */
__attribute__((naked, noinline)) static void tile(__attribute__((unused)) const tiled *own, __attribute__((unused)) const int8_t *weight) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tvpush {d8-d15}\n\tldm r0, {r2-r10}\n\tpush {r7, r10}\n\t"
    "movs r0, #4\n\tmovs r7, #12\n\tvmov q6[2], q6[0], r0, r0\n\tvmov q6[3], q6[1], r7, r7\n\t"
    "movs r0, #0\n\tadds r7, r9, #1\n\tvmov q7[2], q7[0], r9, r0\n\tmovs r0, #1\n\tvmov q7[3], q7[1], r7, r0\n\t"
    "mov r12, r8\n\tmov r10, r4\n\tmov r7, r5\n\tmov r11, r6\n\tmov r8, r2\n\tmov r9, r3\n"
    "1:\n\tldr r0, [r11]\n\tldr r4, [r11, #8]\n\tmov r3, r8\n\tmov r5, r9\n\tmov r2, r0\n\tmov r6, r4\n\twls lr, r10, 3f\n"
    "2:\n\t" WEIGHT_TERMS("!") WINDOW_TERMS("r3", "!") FOUR_SUMS("", "r0", "r4") WINDOW_TERMS("r5", "!") FOUR_SUMS("", "r2", "r6") "le lr, 2b\n"
    "3:\n\tcbz r7, 4f\n\tvctp.8 r7\n\t" WEIGHT_TERMS("") WINDOW_TERMS("r3", "") "vpstttt\n\t" FOUR_SUMS("t", "r0", "r4")
    WINDOW_TERMS("r5", "") "vpstttt\n\t" FOUR_SUMS("t", "r2", "r6") "add.w r1, r1, r7, lsl #2\n"
    "4:\n\tvmov q0[2], q0[0], r2, r0\n\tvmov q0[3], q0[1], r6, r4\n\tldrd r2, r4, [sp]\n\t"
    "vldrw.u32 q1, [r11, q6]\n\tvrmulh.s32 q2, q0, q1\n\tvadd.i32 q0, q0, q2\n\t" AWAY_BY_FOURS
    "vshr.u32 q1, q1, #1\n\tvmvn q1, q1\n\tvorr.i32 q1, #0xE0\n\tvrshl.s32 q0, q0, q1\n\tvadd.i32 q0, q0, r4\n\t"
    "vqmovnb.s32 q0, q0\n\tadd.w r11, r11, #16\n\tvqmovnb.s16 q0, q0\n\tcmp r11, r2\n\tbhi 5f\n\t"
    "vstrb.32 q0, [r12, q7]\n\tadd.w r12, r12, #2\n\tbne 1b\n\tb 6f\n"
    "5:\n\tmovw r2, #0x0F0F\n\tvmsr p0, r2\n\tvpst\n\tvstrbt.32 q0, [r12, q7]\n"
    "6:\n\tadd sp, #8\n\tvpop {d8-d15}\n\tpop {r4-r11, pc}\n");
}

/* Of an odd number of columns, the second is computed twice. */
SMALL static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own[1].channels, last = own[1].width - 1, span = ACROSS(own) * own->channels;
  const int size = (own->kernel * span + 3) & ~3, step = own->stride * own->channels;
  const uint32_t *const first = units + 2 * own->unit;
  tiled args = {0, 0, (uint32_t)size >> 5, (uint32_t)(size & 31) >> 1, first, first + 2 * count, 0, last ? (uint32_t)count : 0, own[1].zero};
  (void)at;
  for (int x = 0, pair = 2 - (own[1].width & 1); x < last || !x; x += pair, pair = 2) {
    args.left = rows[0] + x * step, args.right = args.left + (last ? step : 0);
#if GATHER
    if (own->kernel > 1) {
      int8_t *const patch = MEMORY(rows) + PATCH;
      gather(own, rows, x * step, patch), gather(own, rows, x * step + (last ? step : 0), patch + size);
      args.left = patch, args.right = patch + size;
    }
#endif
    args.out = out + x * count;
    tile(&args, weights + own->weight);
  }
}
#endif
