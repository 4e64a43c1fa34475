
/* Sixteen outputs of two pixels; their weights are first laid side by side, as compilers like them. */
static void plain_convolve(const layer *own, const uint8_t *in, uint8_t *out, int16_t *wide) {
  const int steps = own->steps, step = own->stride * own->pitch;
  const int32_t *at = places + own->places;
  for (int block = 0; block < own->blocks; block++) {
    const int8_t *w = weights + own->weight + block * 64 * steps;
    const int32_t *unit = units + own->unit + UNIT * block;
    for (int t = 0; t < 4 * steps; t++) {
      for (int i = 0; i < 16; i++) wide[16 * t + i] = w[t / 4 * 64 + 4 * i + t % 4];
    }
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->stride * own->row;
      uint8_t *q = out + y * own->to_row + 16 * block;
      for (int x = 0; x < own->width; x += 2, p += 2 * step, q += 2 * own->to_pitch) {
        int32_t left[16], right[16];
        for (int i = 0; i < 16; i++) left[i] = right[i] = unit[i];
        const int16_t *by = wide;
        for (int t = 0; t < steps; t++) {
          const uint8_t *four = p + at[t];
          for (int k = 0; k < 4; k++, by += 16) {
            const int16_t a = four[k], b = four[k + step];
            for (int i = 0; i < 16; i++) left[i] += a * by[i], right[i] += b * by[i];
          }
        }
        plain_finish(own, q, left, unit);
        if (x + 1 < own->width) plain_finish(own, q + own->to_pitch, right, unit);
      }
    }
  }
}
