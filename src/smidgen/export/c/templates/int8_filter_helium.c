
#if HELIUM
/* What narrowed does, for four sums; every_other reads what lies for each of four outputs, biases or multipliers. */
static inline int32x4_t every_other(const uint32_t *p) { return vreinterpretq_s32_u32(vldrwq_gather_shifted_offset_u32(p, vidupq_n_u32(0, 2))); }
static inline int32x4_t shifts_of(int32x4_t by) { return vorrq_n_s32(vmvnq_s32(vshrq_n_s32(by, 1)), 0xE0); } /* to the right, and one more, as negative bytes */
static inline int32x4_t narrowed_four(int32x4_t sum, int32x4_t by, int32x4_t shift, int32_t zero) {
  int32x4_t x = vaddq_s32(sum, vrmulhq_s32(sum, by));
  if (!RELU) x = vaddq_s32(x, vshrq_n_s32(x, 31));
  x = vaddq_n_s32(vrshlq_s32(x, shift), zero);
  return vminq_s32(vmaxq_s32(x, vdupq_n_s32(-128)), vdupq_n_s32(127));
}

/* Each channel alone, four channels at a time, at several pixels: the weights are loaded once for them. */
INLINED static void filter_pixels(const layer *own, int8_t *const *rows, int at, const int8_t *w, int32x4_t bias, int32x4_t by, int32x4_t shift, int8_t *out, mve_pred16_t there, const int count) {
  const int channels = own->channels, kernel = own->kernel, across = ACROSS(own), step = own->stride * channels;
  int32x4_t sum[4];
  UNROLL
  for (int n = 0; n < count; n++) sum[n] = bias;
  for (int j = 0; j < kernel; j++) {
    const int8_t *p = rows[j] + at;
    for (int i = 0; i < across; i++, p += channels, w += 4) {
      const int32x4_t weight = vldrbq_s32(w);
      UNROLL
      for (int n = 0; n < count; n++) sum[n] = vaddq_s32(sum[n], vmulq_s32(vldrbq_s32(p + n * step), weight));
    }
  }
  UNROLL
  for (int n = 0; n < count; n++) vstrbq_p_s32(out + n * channels, narrowed_four(sum[n], by, shift, own[1].zero), there);
}

static void filter(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, size = own->kernel * ACROSS(own), width = own[1].width, step = own->stride * channels;
  const int8_t *w = weights + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  (void)at;
  for (int c = 0; c < channels; c += 4, w += 4 * size, unit += 8) {
    const mve_pred16_t there = vctp32q((uint32_t)(channels - c));
    const int32x4_t bias = every_other(unit), by = every_other(unit + 1), shift = shifts_of(by);
    int x = 0;
    for (; x + 4 <= width; x += 4) filter_pixels(own, rows, x * step + c, w, bias, by, shift, out + x * channels + c, there, 4);
    for (; x < width; x++) filter_pixels(own, rows, x * step + c, w, bias, by, shift, out + x * channels + c, there, 1);
  }
}
#endif
