
#if TILED && (TILED_FILTERS || THREE_FILTERS)
/* Channels of a row by twos of each four, four pixels at a time, at stride 1: six columns of three
   weights are widened once, the weights once for the whole row. */
typedef struct {
  const int8_t *weight, *pixels[3]; /* or, of a larger filter, where its rows begin and end */
  const uint32_t *unit;
  int32_t zero;
  int8_t *out;
  int32_t at, last; /* bytes from the row's start */
  int32_t channels;
} filtering;

/* Sums of the first channel are in r3 to r6, of the other in r7 to r10; what was given lies at 72. */
#define TAP(a, b, w) "smlabb " a ", r11, " w ", " a "\n\tsmlatt " b ", r11, " w ", " b "\n\t"
#define NEXT_TAP(a, b) TAP(a, b, "r0")
#define FIRST_TAP(a, b) "smlabb " a ", r11, r0, r6\n\tsmlatt " b ", r11, r0, r10\n\t" /* and the biases */
#define COLUMN(from) "ldr.w r11, " from "\n\tsxtb16 r11, r11\n\t"
#define COLUMNS(first) \
  COLUMN("[r12]") first("r3", "r7") COLUMN("[r12, lr]") first("r4", "r8") TAP("r3", "r7", "r1") \
  COLUMN("[r12, lr, lsl #1]") first("r5", "r9") TAP("r4", "r8", "r1") TAP("r3", "r7", "r2") \
  COLUMN("[r12, lr, lsl #2]") TAP("r6", "r10", "r1") TAP("r5", "r9", "r2") "add r12, lr\n\t" \
  COLUMN("[r12, lr, lsl #1]") TAP("r6", "r10", "r0") TAP("r5", "r9", "r1") TAP("r4", "r8", "r2") \
  COLUMN("[r12, lr, lsl #2]") TAP("r6", "r10", "r2")
#define FOUR_PIXELS "ldr r12, [sp, #88]\n\tldr r6, [r12]\n\tldr r10, [r12, #16]\n\t"
#define POWER "ubfx r1, r0, #1, #5\n\tlsr.w r1, r11, r1\n\t"
#define NEXT_PIXELS(again) \
  "ldrd r12, r2, [sp, #88]\n\tmov.w r11, #0x80000000\n\tldr r0, [r12, #4]\n\t" POWER \
  NARROW("r3", "r0", "r1", "r2") NARROW("r4", "r0", "r1", "r2") NARROW("r5", "r0", "r1", "r2") NARROW("r6", "r0", "r1", "r2") \
  "ldr r0, [r12, #20]\n\t" POWER \
  NARROW("r7", "r0", "r1", "r2") NARROW("r8", "r0", "r1", "r2") NARROW("r9", "r0", "r1", "r2") NARROW("r10", "r0", "r1", "r2") \
  "ldrd r0, r1, [sp, #96]\n\tldr r2, [sp, #104]\n\tadd r0, r1\n\tcmp r1, r2\n\tstrb r3, [r0]\n\tstrb r7, [r0, #2]\n\tadd r0, lr\n\t" \
  "strb r4, [r0]\n\tstrb.w r8, [r0, #2]\n\tadd r0, lr\n\tstrb r5, [r0]\n\tstrb.w r9, [r0, #2]\n\tadd r0, lr\n\tstrb r6, [r0]\n\tstrb.w r10, [r0, #2]\n\t" \
  "beq 8f\n\tadd.w r1, r1, lr, lsl #2\n\tcmp r1, r2\n\tit hi\n\tmovhi r1, r2\n\tstr r1, [sp, #100]\n\tb " again "\n8:\n\t"

#if SMALL_FILTERS
#define ROW(found, first) found "ldr r11, [sp, #100]\n\tadd r12, r11\n\t" COLUMNS(first)
#define ROW_AT(place) "add r11, sp, #" place "\n\tldm r11, {r0, r1, r2, r12}\n\t"
#define WIDEN(word, place) "sxtb16 r9, " word "\n\tsxtb16 " word ", " word ", ror #8\n\tstr r9, [sp, #" place "]\n\t"
#define ONE_ON(place) "ldr r0, [sp, #" place "]\n\tadds r0, #1\n\tstr r0, [sp, #" place "]\n\t"

/* 3 x 3: of every row, three of the pair's weights and where it lies, from 0; the other pair's weights
   at 48, and at 84 whether they are still to come. */
__attribute__((naked, noinline)) static void filter_four(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r0, {r1-r10}\n\tpush {r5-r10}\n\tsub sp, #88\n\tmov r12, r1\n\tmov lr, r10\n\t"
    "str r2, [sp, #12]\n\tstr r3, [sp, #28]\n\tstr r4, [sp, #44]\n\tstr.w lr, [sp, #84]\n\tldm r12, {r0-r8}\n\t"
    WIDEN("r0", "0") WIDEN("r1", "4") WIDEN("r2", "8") WIDEN("r3", "16") WIDEN("r4", "20") WIDEN("r5", "24") WIDEN("r6", "32") WIDEN("r7", "36") WIDEN("r8", "40")
    "add r9, sp, #48\n\tstm r9, {r0-r8}\n"
    "1:\n\t" FOUR_PIXELS ROW("ldm sp, {r0, r1, r2, r12}\n\t", FIRST_TAP) ROW(ROW_AT("16"), NEXT_TAP)); /* a string has at most 4,095 characters */
  __asm__ volatile(
    ROW(ROW_AT("32"), NEXT_TAP) NEXT_PIXELS("1b")
    "ldr r0, [sp, #84]\n\tcbz r0, 2f\n\tmovs r0, #0\n\tstr r0, [sp, #84]\n\tstr r0, [sp, #100]\n\t"
    ONE_ON("12") ONE_ON("28") ONE_ON("44") ONE_ON("96") "ldr r0, [sp, #88]\n\tadds r0, #8\n\tstr r0, [sp, #88]\n\t"
    "add r12, sp, #48\n\tldm r12, {r0-r8}\n\tstm sp, {r0-r2}\n\tadd r12, sp, #16\n\tstm r12, {r3-r5}\n\tadd r12, sp, #32\n\tstm r12, {r6-r8}\n\tb 1b\n"
    "2:\n\tadd sp, #112\n\tpop {r4-r11, pc}\n");
}
#endif

#if LARGE_FILTERS
/* 5 x 5, two channels: row after row, three columns of weights and two. Place of weights at 0, of the row at 4. */
__attribute__((naked, noinline)) static void filter_two(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r0, {r1-r10}\n\tpush {r1-r10}\n\tsub sp, #72\n\tmov lr, r10\n"
    "1:\n\t" FOUR_PIXELS "mov r3, r6\n\tmov r4, r6\n\tmov r5, r6\n\tmov r7, r10\n\tmov r8, r10\n\tmov r9, r10\n\tldrd r11, r12, [sp, #72]\n\tstr r11, [sp]\n"
    "2:\n\tldr r11, [r12], #4\n\tstr r12, [sp, #4]\n\tldr r12, [sp, #100]\n\tadd r12, r11\n\t"
    "ldr r11, [sp]\n\tldr r0, [r11]\n\tldr r1, [r11, #4]\n\tldr r2, [r11, #8]\n\tsxtb16 r0, r0\n\tsxtb16 r1, r1\n\tsxtb16 r2, r2\n\t" COLUMNS(NEXT_TAP)
    "ldr r11, [sp]\n\tldr r0, [r11, #12]\n\tldr r1, [r11, #16]\n\tadd r11, #20\n\tstr r11, [sp]\n\tsxtb16 r0, r0\n\tsxtb16 r1, r1\n\tadd.w r12, r12, lr, lsl #1\n\t"
    COLUMN("[r12]") TAP("r3", "r7", "r0") COLUMN("[r12, lr]") TAP("r4", "r8", "r0") TAP("r3", "r7", "r1")
    COLUMN("[r12, lr, lsl #1]") TAP("r5", "r9", "r0") TAP("r4", "r8", "r1") COLUMN("[r12, lr, lsl #2]") TAP("r6", "r10", "r1")
    "add r12, lr\n\t" COLUMN("[r12, lr, lsl #1]") TAP("r6", "r10", "r0") TAP("r5", "r9", "r1")
    "ldr r12, [sp, #4]\n\tldr r11, [sp, #80]\n\tcmp r12, r11\n\tbne 2b\n\t" NEXT_PIXELS("1b")
    "add sp, #112\n\tpop {r4-r11, pc}\n");
}
#endif

#if THREE_FILTERS
/* 3 x 3, two channels at three pixels, at stride 1 or 2: a row's weights and its place follow each other
   from 0 for all rows, in r6; sums are in r3 to r5 and r7 to r9, bytes from the row's start in r10. */
#define THREE_COLUMNS_OF_FIVE \
  COLUMN("[r12]") TAP("r3", "r7", "r0") COLUMN("[r12, lr]") TAP("r4", "r8", "r0") TAP("r3", "r7", "r1") \
  COLUMN("[r12, lr, lsl #1]") TAP("r5", "r9", "r0") TAP("r4", "r8", "r1") TAP("r3", "r7", "r2") COLUMN("[r12, lr, lsl #2]") TAP("r5", "r9", "r2") \
  "add r12, lr\n\t" COLUMN("[r12, lr, lsl #1]") TAP("r5", "r9", "r1") TAP("r4", "r8", "r2")
#define THREE_COLUMNS_OF_SEVEN \
  COLUMN("[r12]") TAP("r3", "r7", "r0") COLUMN("[r12, lr]") TAP("r3", "r7", "r1") COLUMN("[r12, lr, lsl #1]") TAP("r3", "r7", "r2") TAP("r4", "r8", "r0") \
  COLUMN("[r12, lr, lsl #2]") TAP("r4", "r8", "r2") TAP("r5", "r9", "r0") "add r12, lr\n\t" COLUMN("[r12, lr, lsl #1]") TAP("r4", "r8", "r1") \
  COLUMN("[r12, lr, lsl #2]") TAP("r5", "r9", "r1") "add r12, lr\n\t" COLUMN("[r12, lr, lsl #2]") TAP("r5", "r9", "r2")
#define ROWS(label, place, columns) label ":\n\tldm r6!, {r0, r1, r2, r12}\n\tadd.w r12, r12, r10" place "\n\t" columns "add r11, sp, #48\n\tcmp r6, r11\n\tbne " label "b\n\t"
#if EVERY_COLUMN && EVERY_OTHER_COLUMN /* which, at 60 */
#define FIRST_ROWS "ldr r0, [sp, #60]\n\tcbz r0, 2f\n\tb.w 5f\n" ROWS("2", "", THREE_COLUMNS_OF_FIVE)
#define SECOND_ROWS ROWS("5", ", lsl #1", THREE_COLUMNS_OF_SEVEN) "b 6b\n"
#elif EVERY_COLUMN
#define FIRST_ROWS ROWS("2", "", THREE_COLUMNS_OF_FIVE)
#define SECOND_ROWS ""
#else
#define FIRST_ROWS ROWS("2", ", lsl #1", THREE_COLUMNS_OF_SEVEN)
#define SECOND_ROWS ""
#endif
__attribute__((naked, noinline)) static void filter_three(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r0!, {r1}\n\tadd.w r2, r0, #12\n\tldm r2, {r5-r10}\n\tpush {r5-r10}\n\tsub sp, #48\n\tmov lr, r10\n\tmov.w r10, #0\n\tmov r12, sp\n"
    "0:\n\tldr r5, [r1], #4\n\tldr r6, [r1], #4\n\tldr r7, [r1], #4\n\tldr r8, [r0], #4\n\tsxtb16 r5, r5\n\tsxtb16 r6, r6\n\tsxtb16 r7, r7\n\tstm r12!, {r5-r8}\n\tcmp r0, r2\n\tbne 0b\n"
    "1:\n\tldr r12, [sp, #48]\n\tldr r3, [r12]\n\tldr r7, [r12, #16]\n\tmov r4, r3\n\tmov r5, r3\n\tmov r8, r7\n\tmov r9, r7\n\tmov r6, sp\n\t" FIRST_ROWS
    "6:\n\tldrd r12, r2, [sp, #48]\n\tmov.w r11, #0x80000000\n\tldr r0, [r12, #4]\n\t" POWER NARROW("r3", "r0", "r1", "r2") NARROW("r4", "r0", "r1", "r2") NARROW("r5", "r0", "r1", "r2")
    "ldr r0, [r12, #20]\n\t" POWER NARROW("r7", "r0", "r1", "r2") NARROW("r8", "r0", "r1", "r2") NARROW("r9", "r0", "r1", "r2")
    "ldr r0, [sp, #56]\n\tldr r2, [sp, #64]\n\tadd r0, r10\n\tcmp r10, r2\n\tstrb r3, [r0]\n\tstrb r7, [r0, #2]\n\tadd r0, lr\n\t"
    "strb r4, [r0]\n\tstrb.w r8, [r0, #2]\n\tadd r0, lr\n\tstrb r5, [r0]\n\tstrb.w r9, [r0, #2]\n\tbeq 8f\n\t"
    "add r10, lr\n\tadd.w r10, r10, lr, lsl #1\n\tcmp r10, r2\n\tit hi\n\tmovhi r10, r2\n\tb 1b\n8:\n\tadd sp, #72\n\tpop {r4-r11, pc}\n");
  __asm__ volatile(SECOND_ROWS);
}
#endif

SMALL static void filter_fours(const layer *own, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, last = (own[1].width - 4) * channels;
  const int8_t *w = weights + own->weight;
  filtering args = {w, {rows[0], rows[1], rows[2]}, units + 2 * own->unit, own[1].zero, out, 0, last, channels};
#if THREE_FILTERS
  if (BY_THREES(own->kernel, own->stride, own[1].width)) {
    args.at = own->stride > 1, args.last += channels;
    for (int c = 0, on; c < channels; c += on) { /* and the channel two after it */
      filter_three(&args);
      on = c & 1 ? 3 : 1;
      args.weight += c & 1 ? 35 : 1, args.unit += 2 * on, args.out += on;
      for (int j = 0; j < 3; j++) args.pixels[j] += on;
    }
    return;
  }
#endif
#if TILED_FILTERS
  const int kernel = own->kernel;
  for (int c = 0; c < channels; c += 4, w += 4 * kernel * kernel, args.unit += 8) {
#if SMALL_FILTERS
#if LARGE_FILTERS
    if (kernel == 3)
#endif
    {
      args.weight = w;
      for (int j = 0; j < 3; j++) args.pixels[j] = rows[j] + c;
      args.out = out + c;
      filter_four(&args);
      continue;
    }
#endif
#if LARGE_FILTERS
    args.out = out, args.pixels[0] = (const int8_t *)(const void *)rows, args.pixels[1] = (const int8_t *)(const void *)(rows + 5);
    for (int i = 0; i < 2; i++, args.unit += 2) {
      args.weight = w + i, args.at = c + i, args.last = c + i + last;
      filter_two(&args);
    }
    args.unit -= 4;
#endif
  }
#else
  (void)w;
#endif
}
#endif

#if !HELIUM
#if PLAIN_FILTER
/* Each channel alone, four at a time; weights lie in fours of channels. */
INLINED static void filtered(const layer *own, int8_t *const *rows, int8_t *out, const int kernel, const int across) {
  const int channels = own->channels, step = own->stride * channels;
  const int32_t zero = 2 * own[1].zero + 1;
  const int8_t *first = weights + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  int8_t *const end = out + own[1].width * channels;
  for (int c = 0; c < channels; c += 4, unit += 8, first += 4 * kernel * across) {
    int at = c;
    for (int8_t *q = out + c; q < end; q += channels, at += step) {
      int32_t s0 = (int32_t)unit[0], s1 = (int32_t)unit[2], s2 = (int32_t)unit[4], s3 = (int32_t)unit[6];
      const int8_t *w = first;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + at;
        UNROLL
        for (int i = 0; i < across; i++, p += channels, w += 4) {
#if TWO_AT_ONCE
          uint32_t l = word(p), v = word(w), e = even(l), f = even(v);
          s0 = lower(e, f, s0), s2 = upper(e, f, s2);
          e = odd(l), f = odd(v);
          s1 = lower(e, f, s1), s3 = upper(e, f, s3);
#else
          s0 += p[0] * w[0], s1 += p[1] * w[1], s2 += p[2] * w[2], s3 += p[3] * w[3];
#endif
        }
      }
      q[0] = narrowed(s0, unit[1], zero);
      if (WHOLE_FOURS || c + 1 < channels) q[1] = narrowed(s1, unit[3], zero);
      if (WHOLE_FOURS || c + 2 < channels) q[2] = narrowed(s2, unit[5], zero);
      if (WHOLE_FOURS || c + 3 < channels) q[3] = narrowed(s3, unit[7], zero);
    }
  }
}
#endif

static void filter(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  (void)at;
#if TILED && (TILED_FILTERS || THREE_FILTERS)
#if OTHER_FILTERS
  const int kernel = own->kernel, width = own[1].width, fours = TILED_FILTERS && (kernel == 3 || kernel == 5) && own->stride == 1 && width > 3;
  if (kernel == ACROSS(own) && !(own->channels & 3) && (fours || (THREE_FILTERS && BY_THREES(kernel, own->stride, width))))
#endif
  {
    filter_fours(own, rows, out);
    return;
  }
#endif
#if THUMB && THUMB_FILTERS
#if OTHER_THUMB_FILTERS
  if (own->kernel != 3 || ACROSS(own) != 3 || own->stride != 1 || own[1].width < 4) {
    THUMB_REST_FILTERED(own, rows, out);
    return;
  }
#endif
  filter_channels(own, rows, out);
#elif PACKED && ROLLED_FILTERS
#if UNROLLED_FILTERS
  if (own->kernel != 3 || ACROSS(own) != 3 || own->stride > 2) {
    UNROLLED_FILTERED(own, rows, out);
    return;
  }
#endif
  filter_channels(own, rows, out);
#elif !TILED
  FILTERED(own, rows, out);
#elif OTHER_FILTERS
  REST_FILTERED(own, rows, out);
#endif
}
#endif
