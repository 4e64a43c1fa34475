
static INLINED void largest(int8_t *const *rows, int at, int channels, int kernel, int across, int8_t *out) {
  for (int c = 0; c < channels; c++) {
    int best = -128;
    for (int j = 0; j < kernel; j++) {
      const int8_t *p = rows[j] + at + c;
      for (int i = 0; i < across; i++, p += channels) {
        if (*p > best) best = *p;
      }
    }
    out[c] = (int8_t)best;
  }
}

/* Eight channels at a time, the last ones perhaps again. */
static void pool(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = own->kernel, across = ACROSS(own), step = own->stride * channels;
  (void)at;
#if POOLED_GATES
  if (own->unit) add_up(own, at, rows);
#endif
  int8_t *const end = out + own[1].width * channels;
  for (int at = 0; out < end; at += step, out += channels) {
    if (channels < 8) {
      largest(rows, at, channels, kernel, across, out);
      continue;
    }
    for (int c = 0; c < channels; c += 8) {
      if (c + 8 > channels) c = channels - 8;
      v128_t best = wasm_i8x16_splat(-128);
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + at + c;
        for (int i = 0; i < across; i++, p += channels) best = wasm_i8x16_max(best, wasm_v128_load64_zero(p));
      }
      wasm_v128_store64_lane(out + c, best, 0);
    }
  }
}
