
/* Each channel alone, four at a time; the last four overlap where the channels are not fours. */
APART void filter(const layer *own, const int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, width = own[1].width, kernel = own->kernel;
  const int step = own->stride * channels;
  const int32_t zero = 2 * own[1].zero + 1;
  for (int x = 0; x < width; x++, out += channels) {
#if defined(__ARM_FEATURE_DSP) && FOURS
    for (int c = 0; c < channels; c += 4) {
      if (c + 4 > channels) c = channels - 4;
      const int8_t *w = weights + own->weight + c;
      const int32_t *unit = units + 2 * (own->unit + c);
      const uint8_t *shift = shifts + own->unit + c;
      int32_t s0 = unit[0], s1 = unit[2], s2 = unit[4], s3 = unit[6];
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x * step + c;
        for (int i = 0; i < kernel; i++, p += channels, w += channels) {
          const uint32_t l = word(p), v = word(w);
          const uint32_t le = even(l), ve = even(v), lo = odd(l), vo = odd(v);
          s0 = lower(le, ve, s0), s2 = upper(le, ve, s2);
          s1 = lower(lo, vo, s1), s3 = upper(lo, vo, s3);
        }
      }
      out[c] = narrowed(s0, unit[1], shift[0], zero);
      out[c + 1] = narrowed(s1, unit[3], shift[1], zero);
      out[c + 2] = narrowed(s2, unit[5], shift[2], zero);
      out[c + 3] = narrowed(s3, unit[7], shift[3], zero);
    }
#else
    for (int c = 0; c < channels; c++) {
      const int8_t *w = weights + own->weight + c;
      const int32_t *unit = units + 2 * (own->unit + c);
      int32_t sum = unit[0];
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x * step + c;
        for (int i = 0; i < kernel; i++, p += channels, w += channels) sum += *p * *w;
      }
      out[c] = narrowed(sum, unit[1], shifts[own->unit + c], zero);
    }
#endif
  }
}
