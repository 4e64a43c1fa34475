
#if TILED && TILED_FILTERS
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
#define FOUR_PIXELS "ldr r12, [sp, #88]\n\tldr lr, [sp, #108]\n\tldr r6, [r12]\n\tldr r10, [r12, #16]\n\t"
#define NEXT_PIXELS(again) \
  "ldrd r12, r2, [sp, #88]\n\tldr r0, [r12, #4]\n\tubfx r1, r0, #1, #5\n\t" \
  NARROW("r3", "r0", "r1", "r2") NARROW("r4", "r0", "r1", "r2") NARROW("r5", "r0", "r1", "r2") NARROW("r6", "r0", "r1", "r2") \
  "ldr r0, [r12, #20]\n\tubfx r1, r0, #1, #5\n\t" \
  NARROW("r7", "r0", "r1", "r2") NARROW("r8", "r0", "r1", "r2") NARROW("r9", "r0", "r1", "r2") NARROW("r10", "r0", "r1", "r2") \
  "ldrd r0, r1, [sp, #96]\n\tldr r2, [sp, #104]\n\tadd r0, r1\n\tcmp r1, r2\n\tstrb r3, [r0]\n\tstrb r7, [r0, #2]\n\tadd r0, lr\n\t" \
  "strb r4, [r0]\n\tstrb.w r8, [r0, #2]\n\tadd r0, lr\n\tstrb r5, [r0]\n\tstrb.w r9, [r0, #2]\n\tadd r0, lr\n\tstrb r6, [r0]\n\tstrb.w r10, [r0, #2]\n\t" \
  "beq 8f\n\tadd.w r1, r1, lr, lsl #2\n\tcmp r1, r2\n\tit hi\n\tmovhi r1, r2\n\tstr r1, [sp, #100]\n\tb " again "\n8:\n\t"

#if SMALL_FILTERS
#define ROW(pixels, weights, last_weight, first) \
  "ldr r12, [sp, #" pixels "]\n\tldr r11, [sp, #100]\n\tldrd r0, r1, [sp, #" weights "]\n\tldr r2, [sp, #" last_weight "]\n\tadd r12, r11\n\t" COLUMNS(first)
#define WIDEN(word, place) "sxtb16 r9, " word "\n\tsxtb16 " word ", " word ", ror #8\n\tstr r9, [sp, #" place "]\n\t"

/* 3 x 3: the pair's weights lie at 0, the other pair's at 36. */
__attribute__((naked, noinline)) static void filter_four(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r0, {r1-r10}\n\tpush {r1-r10}\n\tsub sp, #72\n\tmov r12, r1\n\tldm r12, {r0-r8}\n\t"
    WIDEN("r0", "0") WIDEN("r1", "4") WIDEN("r2", "8") WIDEN("r3", "12") WIDEN("r4", "16") WIDEN("r5", "20") WIDEN("r6", "24") WIDEN("r7", "28") WIDEN("r8", "32")
    "add r9, sp, #36\n\tstm r9, {r0-r8}\n"
    "1:\n\t" FOUR_PIXELS ROW("76", "0", "8", FIRST_TAP) ROW("80", "12", "20", NEXT_TAP)); /* a string has at most 4,095 characters */
  __asm__ volatile(
    ROW("84", "24", "32", NEXT_TAP) NEXT_PIXELS("1b")
    "add r12, sp, #72\n\tldm r12, {r0-r6}\n\tcbz r0, 2f\n\t"
    "movs r0, #0\n\tadds r1, #1\n\tadds r2, #1\n\tadds r3, #1\n\tadds r4, #8\n\tadds r6, #1\n\tmov r7, r0\n\tstm r12, {r0-r7}\n\t"
    "add r12, sp, #36\n\tldm r12, {r0-r8}\n\tstm sp, {r0-r8}\n\tb 1b\n"
    "2:\n\tadd sp, #112\n\tpop {r4-r11, pc}\n");
}
#endif

#if LARGE_FILTERS
/* 5 x 5, two channels: row after row, three columns of weights and two. Place of weights at 0, of the row at 4. */
__attribute__((naked, noinline)) static void filter_two(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    "push {r4-r11, lr}\n\tldm r0, {r1-r10}\n\tpush {r1-r10}\n\tsub sp, #72\n"
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

SMALL static void filter_fours(const layer *own, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = own->kernel;
  const int8_t *w = weights + own->weight;
  filtering args = {0, {0, 0, 0}, units + 2 * own->unit, 2 * own[1].zero + 1, out, 0, (own[1].width - 4) * channels, channels};
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
      args.weight = w + i, args.at = c + i, args.last = c + i + (own[1].width - 4) * channels;
      filter_two(&args);
    }
    args.unit -= 4;
#endif
  }
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
#if TILED && TILED_FILTERS
#if OTHER_FILTERS
  if ((own->kernel == 3 || own->kernel == 5) && ACROSS(own) == own->kernel && own->stride == 1 && own[1].width > 3 && !(own->channels & 3))
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
#elif !TILED
  FILTERED(own, rows, out);
#elif OTHER_FILTERS
  REST_FILTERED(own, rows, out);
#endif
}
#endif
