
/* Each channel alone, four at a time; weights lie in fours of channels. */
INLINED static void filtered(const layer *own, int8_t *const *rows, int8_t *out, const int kernel) {
  const int channels = own->channels, step = own->stride * channels;
  const int32_t zero = 2 * own[1].zero + 1;
  const int8_t *first = weights + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  int8_t *const end = out + own[1].width * channels;
  for (int c = 0; c < channels; c += 4, unit += 8, first += 4 * kernel * kernel) {
    int at = c;
    for (int8_t *q = out + c; q < end; q += channels, at += step) {
      int32_t s0 = (int32_t)unit[0], s1 = (int32_t)unit[2], s2 = (int32_t)unit[4], s3 = (int32_t)unit[6];
      const int8_t *w = first;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + at;
        UNROLL
        for (int i = 0; i < kernel; i++, p += channels, w += 4) {
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

static void filter(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  (void)at;
  FILTERED(own, rows, out);
}
