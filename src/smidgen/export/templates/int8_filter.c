
/* Each channel alone, four at a time; the last four overlap where the channels are not fours. */
static void filter(const layer *own, const progress *at, const int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = SIDE, step = own->stride * channels;
  const int32_t zero = 2 * own[1].zero + 1;
  (void)at;
  int8_t *const end = out + own[1].width * channels;
#if defined(__ARM_FEATURE_DSP) && FOURS
  for (int c = 0; c < channels; c += 4) {
    if (c + 4 > channels) c = channels - 4;
    const int8_t *const first = weights + own->weight + c;
    const uint32_t *const unit = units + 2 * (own->unit + c);
    const uint8_t *const shift = shifts + own->unit + c;
    int at = c;
    for (int8_t *q = out + c; q < end; q += channels, at += step) {
      int32_t s0 = (int32_t)unit[0], s1 = (int32_t)unit[2], s2 = (int32_t)unit[4], s3 = (int32_t)unit[6];
      const int8_t *w = first;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + at;
        UNROLL
        for (int i = 0; i < kernel; i++, p += channels, w += channels) {
          uint32_t l = word(p), v = word(w), e = even(l), f = even(v);
          s0 = lower(e, f, s0), s2 = upper(e, f, s2);
          e = odd(l), f = odd(v);
          s1 = lower(e, f, s1), s3 = upper(e, f, s3);
        }
      }
      q[0] = (int8_t)narrowed(s0, unit[1], shift[0], zero);
      q[1] = (int8_t)narrowed(s1, unit[3], shift[1], zero);
      q[2] = (int8_t)narrowed(s2, unit[5], shift[2], zero);
      q[3] = (int8_t)narrowed(s3, unit[7], shift[3], zero);
    }
  }
#else
  for (int c = 0; c < channels; c++) {
    const uint32_t *const unit = units + 2 * (own->unit + c);
    int at = c;
    for (int8_t *q = out + c; q < end; q += channels, at += step) {
      const int8_t *w = weights + own->weight + c;
      int32_t sum = (int32_t)unit[0];
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + at;
        for (int i = 0; i < kernel; i++, p += channels, w += channels) sum += *p * *w;
      }
      *q = (int8_t)narrowed(sum, unit[1], shifts[own->unit + c], zero);
    }
  }
#endif
}
