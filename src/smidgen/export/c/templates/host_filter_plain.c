
static void plain_filter(const layer *own, const uint8_t *in, uint8_t *out) {
  const int taps = own->kernel * own->across;
  const int32_t *at = places + own->places;
  for (int block = 0; block < own->blocks; block++) {
    const int32_t *unit = units + own->unit + UNIT * block;
    int16_t w[4 * FILTER_STEPS][16];
    for (int t = 0; t < taps; t++) {
      const int step = own->by_rows ? t / own->across : t / 4, lane = own->by_rows ? t % own->across : t % 4;
      const int8_t *from = weights + own->weight + (block * own->steps + step) * 64 + lane;
      for (int i = 0; i < 16; i++) w[t][i] = from[4 * i];
    }
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->stride * own->row + 16 * block;
      uint8_t *q = out + y * own->to_row + 16 * block;
      for (int x = 0; x < own->width; x++, p += own->stride * own->pitch, q += own->to_pitch) {
        int32_t sums[16];
        for (int i = 0; i < 16; i++) sums[i] = unit[i];
        for (int t = 0; t < taps; t++) {
          const uint8_t *tap = p + at[own->by_rows ? t / own->across * 4 + t % own->across : t];
          for (int i = 0; i < 16; i++) sums[i] += (int16_t)tap[i] * w[t][i];
        }
        if (own->shift) {
          for (int i = 0; i < 16; i++) sums[i] >>= own->shift;
          plain_put(q, sums);
        } else {
          plain_finish(own, q, sums, unit);
        }
      }
    }
  }
}
