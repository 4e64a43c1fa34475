
SMALL static void pool(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = own->kernel, across = ACROSS(own), step = own->stride * channels;
  (void)at;
#if POOLED_GATES
  if (own->unit) add_up(own, at, rows);
#endif
  int8_t *const end = out + own[1].width * channels;
  for (int x = 0; out < end; x += step, out += channels) {
#if HELIUM
    for (int c = 0; c < channels; c += 16) {
      const mve_pred16_t there = vctp8q((uint32_t)(channels - c));
      int8x16_t best = vdupq_n_s8(-128);
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x + c;
        for (int i = 0; i < across; i++, p += channels) best = vmaxq_s8(best, vldrbq_z_s8(p, there));
      }
      vstrbq_p_s8(out + c, best, there);
    }
#elif FOURS_POOLED
    for (int c = 0; c < channels; c += 4) {
      if (c + 4 > channels) c = channels - 4;
      if (kernel == 2 && across == 2) {
        const int8_t *const p = rows[0] + x + c, *const q = rows[1] + x + c;
        const uint32_t most = larger(larger(word(p), word(p + channels)), larger(word(q), word(q + channels)));
        __builtin_memcpy(out + c, &most, 4);
        continue;
      }
      uint32_t best = 0x80808080;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x + c;
        for (int i = 0; i < across; i++, p += channels) best = larger(best, word(p));
      }
      __builtin_memcpy(out + c, &best, 4);
    }
#else
#if SPEED
    if (kernel == 2 && across == 2) {
      const int8_t *p = rows[0] + x, *q = rows[1] + x;
      for (const int8_t *const stop = p + channels; p != stop; p++, q++) {
        int best = *p;
        if (p[channels] > best) best = p[channels];
        if (q[0] > best) best = q[0];
        if (q[channels] > best) best = q[channels];
        *out++ = (int8_t)best;
      }
      out -= channels;
      continue;
    }
#endif
    for (int c = 0; c < channels; c++) {
      int best = -128;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x + c;
        for (int i = 0; i < across; i++, p += channels) {
          if (*p > best) best = *p;
        }
      }
      out[c] = (int8_t)best;
    }
#endif
  }
}
