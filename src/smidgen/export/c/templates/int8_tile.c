
#if TILED
/* Four pixels by two outputs in all fourteen registers: windows lie as halves, the even ones of four
   terms for every pixel, then the odd ones; 13 instructions are 16 products. */
typedef struct {
  const uint32_t *unit;
  int32_t zero;
  const uint32_t *unit_end, *end;
  int8_t *out;
  int32_t beside, beyond; /* bytes from the first pixel's outputs to the second's, and to the third's */
  uint32_t skip; /* bytes of code: what the first turn leaves out of its terms */
} tiled;

#define WEIGHTS "ldr lr, [r1], #4\n\t"
#define WIDE_WEIGHTS "sxtb16 r2, lr, ror #8\n\tsxtb16 lr, lr\n\t"
#define BOTH(window, a, b) "smlad " a ", " window ", lr, " a "\n\tsmlad " b ", " window ", r2, " b "\n\t"
/* The first two terms also take the biases, from the registers of the last pixel's sums. */
#define FIRST(window, a, b) "smlad " a ", " window ", lr, r6\n\tsmlad " b ", " window ", r2, r10\n\t"
#define OF_FOUR(sum) \
  WEIGHTS "ldrd r11, r12, [r0], #8\n\t" WIDE_WEIGHTS sum("r11", "r3", "r7") sum("r12", "r4", "r8") "ldrd r11, r12, [r0], #8\n\t" sum("r11", "r5", "r9") sum("r12", "r6", "r10")
#define OF_THREE(sum) WEIGHTS "ldm r0!, {r5, r9, r11, r12}\n\t" WIDE_WEIGHTS sum("r5", "r3", "r7") sum("r9", "r4", "r8") sum("r12", "r6", "r10")
#if LONG_TURNS
#define TURN(of) of(BOTH) of(BOTH) of(BOTH) of(BOTH) of(BOTH) of(BOTH) of(BOTH) of(BOTH)
#define TURN_TERMS 16
#else
#define TURN(of) of(BOTH) of(BOTH) of(BOTH) of(BOTH)
#define TURN_TERMS 8
#endif
#define SUMS(of) \
  "push {r4-r11, lr}\n\tldm r2, {r3-r10}\n\tpush {r3-r10}\n\tpush {r0}\n" \
  "1:\n\tldrd r0, r2, [sp]\n\tldr r6, [r2]\n\tldr r10, [r2, #8]\n\t" of(FIRST) "ldr r2, [sp, #32]\n\tadd pc, r2\n\tnop\n" \
  "2:\n\t" TURN(of) "ldr r2, [sp, #16]\n\tcmp r0, r2\n\tbne 2b\n\tldm sp, {r0, r2, r11}\n\tmov.w r12, #0x80000000\n\t"
#define ROUNDING(unit) "ldr lr, [r2, #" unit "]\n\tubfx r0, lr, #1, #5\n\tlsr.w r0, r12, r0\n\t"
#define STEP(x) NARROW(x, "lr", "r0", "r11")
#define PLACES "adds r2, #16\n\tstr r2, [sp, #4]\n\tldr r12, [sp, #12]\n\tcmp r2, r12\n\tldrd r0, r12, [sp, #20]\n\t"
#define PUT(a, b, at) "bfi " a ", " b ", #8, #8\n\tstrh " a ", " at "\n\t"
#define NEXT_OUTPUTS "str r0, [sp, #20]\n\tbne 1b\n4:\n\tadd sp, #36\n\tpop {r4-r11, pc}\n\t"
#if ODD_OUTPUTS /* of the last pair, only the first is there */
#define IF_ODD "bhi 3f\n\t"
#define LAST_OF(stores) "3:\n\t" stores "b 4b\n"
#else
#define IF_ODD
#define LAST_OF(stores)
#endif
#define TILED_BY __attribute__((unused)) const uint32_t *windows, __attribute__((unused)) const int8_t *weight, __attribute__((unused)) const tiled *own

__attribute__((naked, noinline)) static void tile(TILED_BY) {
  __asm__ volatile(
    SUMS(OF_FOUR)); /* a string has at most 4,095 characters */
  __asm__ volatile(
    ROUNDING("4") STEP("r3") STEP("r4") STEP("r5") STEP("r6") ROUNDING("12") STEP("r7") STEP("r8") STEP("r9") STEP("r10")
    PLACES "ldr r11, [sp, #28]\n\tadd.w lr, r0, r11\n\t" IF_ODD
    PUT("r4", "r8", "[r0, r12]") PUT("r3", "r7", "[r0], #2") PUT("r5", "r9", "[lr]") PUT("r6", "r10", "[lr, r12]") NEXT_OUTPUTS
    LAST_OF("strb r3, [r0]\n\tstrb.w r4, [r0, r12]\n\tstrb.w r5, [lr]\n\tstrb.w r6, [lr, r12]\n\t"));
}

#if THREE_COLUMNS /* of the four that lie there, the third is left out; 10 instructions are 12 products */
__attribute__((naked, noinline)) static void tile_three(TILED_BY) {
  __asm__ volatile(
    SUMS(OF_THREE));
  __asm__ volatile(
    ROUNDING("4") STEP("r3") STEP("r4") STEP("r6") ROUNDING("12") STEP("r7") STEP("r8") STEP("r10")
    PLACES "ldr r11, [sp, #28]\n\tadd.w lr, r0, r11\n\t" IF_ODD
    PUT("r4", "r8", "[r0, r12]") PUT("r3", "r7", "[r0], #2") PUT("r6", "r10", "[lr, r12]") NEXT_OUTPUTS
    LAST_OF("strb r3, [r0]\n\tstrb.w r4, [r0, r12]\n\tstrb.w r6, [lr, r12]\n\t"));
}
#endif

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

#if TILED_GATHER
/* The same windows where rows of them end within a word: first as bytes, each row right behind the
   one before. Copies by fours; the last one may reach beyond a window, hence BETWEEN. */
typedef struct {
  int32_t at, step, far;
  int8_t *to;
  int32_t size, span; /* bytes from a window to the next, bytes of a row */
  int8_t *const *end;
} gathering;

__attribute__((naked, noinline)) static void gather_four(__attribute__((unused)) int8_t *const *rows, __attribute__((unused)) const gathering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r1, {r1-r7}\n\tadd.w r8, r4, r5, lsl #1\n"
    "1:\n\tldr r9, [r0], #4\n\tadd r9, r1\n\tadd.w r10, r9, r3\n\tadd.w r11, r9, r6\n"
    "2:\n\tldr.w r12, [r9, r2]\n\tstr.w r12, [r4, r5]\n\tldr r12, [r9], #4\n\tstr r12, [r4], #4\n\t"
    "ldr.w r12, [r10, r2]\n\tstr.w r12, [r8, r5]\n\tldr r12, [r10], #4\n\tstr r12, [r8], #4\n\tcmp r9, r11\n\tblo 2b\n\t"
    "sub.w r12, r9, r11\n\tsub.w r4, r4, r12\n\tsub.w r8, r8, r12\n\tcmp r0, r7\n\tbne 1b\n\tpop {r4-r11, pc}\n");
}
#endif
#endif

#if TILED || THUMB
/* Four columns at a time; fewer are computed by a loop of their own, or some of them twice. */
SMALL static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own[1].channels, width = own[1].width, kernel = own->kernel, span = ACROSS(own) * own->channels;
  const int size = (kernel * span + 3) & ~3, step = width > 1 ? own->stride * own->channels : 0, beside = width > 1 ? count : 0;
  int beyond = width > 3 ? 2 : width == 3; /* columns */
#if THUMB
  typedef int32_t half_pairs;
  tiled args = {-2 * size, 0, units + 2 * (own->unit + count), 0, beside, beyond * count, 2 * own[1].zero + 1};
#else
  typedef uint32_t half_pairs;
#endif
  half_pairs *const windows = (half_pairs *)(void *)(MEMORY(rows) + PATCH);
#if !THUMB
  const uint32_t skipped = (uint32_t)((2 - size) & (TURN_TERMS - 1)); /* terms */
  tiled args = {0, own[1].zero, units + 2 * (own->unit + count), windows + 2 * size, 0, beside, beyond * count, skipped * 26};
#endif
  (void)at;
  for (int x = 0; x < width; x += 4) {
#if !THUMB && THREE_COLUMNS
    void (*loop)(const uint32_t *, const int8_t *, const tiled *) = tile;
    args.skip = skipped * 26, beyond = 2;
    if ((width - x) & 3) {
      loop = tile_three, args.skip = skipped * 20, beyond = width > 2;
      if (x > width - 3 && width > 2) x = width - 3;
    }
#else
    if (width > 4 && x > width - 4) x = width - 4;
#endif
    const int first = x * step, far = beyond * step;
    half_pairs *to = windows;
#if TILED_GATHER
    if (PADDED(span) * kernel != size) {
      int8_t *const patch = (int8_t *)(void *)(windows + 2 * size);
#if THUMB
      gather(own, rows, first, patch), gather(own, rows, first + step, patch + size);
      gather(own, rows, first + far, patch + 2 * size), gather(own, rows, first + far + step, patch + 3 * size);
      widen(patch, size, 2 * size, to, patch + size);
#else
      const gathering from = {first, step, far, patch, size + BETWEEN, span, rows + kernel};
      gather_four(rows, &from);
      widen(patch, size + BETWEEN, 2 * (size + BETWEEN), to, patch + size);
#endif
    } else
#endif
      for (int j = 0; j < kernel; j++) to = widen(rows[j] + first, step, far, to, rows[j] + first + span);
    args.unit = units + 2 * own->unit;
    args.out = out + x * count;
#if !THUMB && THREE_COLUMNS
    args.beyond = beyond * count;
    loop(windows, weights + own->weight, &args);
    if (loop != tile) x--;
#else
    tile(windows, weights + own->weight, &args);
#endif
  }
}
#endif
