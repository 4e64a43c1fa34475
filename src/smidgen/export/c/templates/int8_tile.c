
#if TILED
/* Four pixels by two outputs in all fourteen registers: windows lie as halves, the even ones of four
   terms for every pixel, then the odd ones; 13 instructions are 16 products. */
typedef struct {
  const uint32_t *end, *unit, *unit_end;
  int8_t *out;
  int32_t beside, beyond; /* bytes from the first pixel's outputs to the second's, and to the third's */
  int32_t zero;
  uint32_t skip; /* bytes of code: what the first turn leaves out of its eight terms */
} tiled;

#define TWO_TERMS "ldr lr, [r1], #4\n\tldrd r11, r12, [r0], #8\n\tsxtb16 r2, lr, ror #8\n\tsxtb16 lr, lr\n\t" \
  "smlad r3, r11, lr, r3\n\tsmlad r7, r11, r2, r7\n\tsmlad r4, r12, lr, r4\n\tsmlad r8, r12, r2, r8\n\t" \
  "ldrd r11, r12, [r0], #8\n\tsmlad r5, r11, lr, r5\n\tsmlad r9, r11, r2, r9\n\tsmlad r6, r12, lr, r6\n\tsmlad r10, r12, r2, r10\n\t"
/* The first two also take the biases, from the registers of the last pixel's sums. */
#define FIRST_TERMS "ldr lr, [r1], #4\n\tldrd r11, r12, [r0], #8\n\tsxtb16 r2, lr, ror #8\n\tsxtb16 lr, lr\n\t" \
  "smlad r3, r11, lr, r6\n\tsmlad r7, r11, r2, r10\n\tsmlad r4, r12, lr, r6\n\tsmlad r8, r12, r2, r10\n\t" \
  "ldrd r11, r12, [r0], #8\n\tsmlad r5, r11, lr, r6\n\tsmlad r9, r11, r2, r10\n\tsmlad r6, r12, lr, r6\n\tsmlad r10, r12, r2, r10\n\t"
#define EIGHT_TERMS TWO_TERMS TWO_TERMS TWO_TERMS TWO_TERMS
__attribute__((naked, noinline)) static void tile(
    __attribute__((unused)) const uint32_t *windows, __attribute__((unused)) const int8_t *weight, __attribute__((unused)) const tiled *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r2, {r3-r10}\n\tpush {r3-r10}\n\tpush {r0}\n"
    "1:\n\tldr r2, [sp, #8]\n\tldr r0, [sp]\n\tldr r6, [r2]\n\tldr r10, [r2, #8]\n\t" FIRST_TERMS "ldr r2, [sp, #32]\n\tadd pc, r2\n\tnop\n"
    "2:\n\t" EIGHT_TERMS "ldr r2, [sp, #4]\n\tcmp r0, r2\n\tbne 2b\n\t"
    "ldrd r0, r12, [sp, #8]\n\tldr r11, [sp, #28]\n\tldr lr, [r0, #4]\n\tubfx r2, lr, #1, #5\n\t" NARROW("r3", "lr", "r2", "r11") NARROW("r4", "lr", "r2", "r11") NARROW("r5", "lr", "r2", "r11") NARROW("r6", "lr", "r2", "r11")
    "ldr lr, [r0, #12]\n\tubfx r2, lr, #1, #5\n\t" NARROW("r7", "lr", "r2", "r11") NARROW("r8", "lr", "r2", "r11") NARROW("r9", "lr", "r2", "r11") NARROW("r10", "lr", "r2", "r11")
    "adds r0, #16\n\tstr r0, [sp, #8]\n\tcmp r0, r12\n\tldrd r2, r12, [sp, #16]\n\tldr r11, [sp, #24]\n\tadd.w lr, r2, r11\n\tbhi 3f\n\t"
    "bfi r3, r7, #8, #8\n\tstrh r3, [r2]\n\tbfi r4, r8, #8, #8\n\tstrh.w r4, [r2, r12]\n\t"
    "bfi r5, r9, #8, #8\n\tstrh.w r5, [lr]\n\tbfi r6, r10, #8, #8\n\tstrh.w r6, [lr, r12]\n\t"
    "add.w r2, r2, #2\n\tstr r2, [sp, #16]\n\tbne 1b\n"
    "4:\n\tadd sp, #36\n\tpop {r4-r11, pc}\n"
    "3:\n\tstrb r3, [r2]\n\tstrb.w r4, [r2, r12]\n\tstrb.w r5, [lr]\n\tstrb.w r6, [lr, r12]\n\tb 4b\n");
}

/* The windows of four pixels, the first at p, the others step bytes from it, far bytes from it, and
   both: from bytes to halves. */
__attribute__((naked, noinline)) static uint32_t *widen(__attribute__((unused)) const int8_t *p, __attribute__((unused)) int32_t step,
    __attribute__((unused)) int32_t far, __attribute__((unused)) uint32_t *to, __attribute__((unused)) const int8_t *end) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldr r12, [sp, #36]\n\tadd r2, r0\n"
    "1:\n\tldr r5, [r0, r1]\n\tldr r4, [r0], #4\n\tldr r7, [r2, r1]\n\tldr r6, [r2], #4\n\tsxtb16 r8, r4, ror #8\n\tsxtb16 r4, r4\n\t"
    "sxtb16 r9, r5, ror #8\n\tsxtb16 r5, r5\n\tsxtb16 r10, r6, ror #8\n\tsxtb16 r6, r6\n\tsxtb16 r11, r7, ror #8\n\tsxtb16 r7, r7\n\t"
    "stm r3!, {r4-r11}\n\tcmp r0, r12\n\tblo 1b\n\tmov r0, r3\n\tpop {r4-r11, pc}\n");
}

#endif

#if TILED || THUMB
/* Fewer than four columns: some are computed twice. */
SMALL static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own[1].channels, width = own[1].width, kernel = own->kernel, span = ACROSS(own) * own->channels;
  const int size = (kernel * span + 3) & ~3, step = width > 1 ? own->stride * own->channels : 0, beside = width > 1 ? count : 0;
  const int beyond = width > 3 ? 2 : width == 3; /* columns */
#if THUMB
  typedef int32_t half_pairs;
  tiled args = {-2 * size, 0, units + 2 * (own->unit + count), 0, beside, beyond * count, 2 * own[1].zero + 1};
#else
  typedef uint32_t half_pairs;
#endif
  half_pairs *const windows = (half_pairs *)(void *)(MEMORY(rows) + PATCH);
#if !THUMB
  tiled args = {windows + 2 * size, 0, units + 2 * (own->unit + count), 0, beside, beyond * count, 2 * own[1].zero + 1, (uint32_t)((2 - size) & 7) * 26};
#endif
  (void)at;
  for (int x = 0; x < width; x += 4) {
    if (width > 4 && x > width - 4) x = width - 4;
    const int first = x * step, far = beyond * step;
    half_pairs *to = windows;
#if TILED_GATHER
    if (PADDED(span) * kernel != size) {
      int8_t *const patch = (int8_t *)(void *)(windows + 2 * size);
      gather(own, rows, first, patch), gather(own, rows, first + step, patch + size);
      gather(own, rows, first + far, patch + 2 * size), gather(own, rows, first + far + step, patch + 3 * size);
      widen(patch, size, 2 * size, to, patch + size);
    } else
#endif
      for (int j = 0; j < kernel; j++) to = widen(rows[j] + first, step, far, to, rows[j] + first + span);
    args.unit = units + 2 * own->unit;
    args.out = out + x * count;
    tile(windows, weights + own->weight, &args);
  }
}
#endif
