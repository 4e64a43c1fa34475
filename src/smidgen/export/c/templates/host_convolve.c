
/* Sixteens of outputs of several pixels of a row. */
TARGETED INLINED static void ISA_tile(const layer *own, const uint8_t *p, uint8_t *q, const int8_t *w, const int32_t *unit, const int blocks, const int pixels) {
  enum { PARTS = 16 / LANES };
  ISA_vec sums[MOST];
  const int step = own->stride * own->pitch, steps = own->steps;
  const int32_t *at = places + own->places;
  UNROLL
  for (int j = 0; j < blocks * PARTS; j++) {
    UNROLL
    for (int i = 0; i < pixels; i++) sums[j * pixels + i] = ISA_numbers(unit + j / PARTS * UNIT + ISA_BIAS + j % PARTS * LANES);
  }
  for (int t = 0; t < steps; t++, w += 64) {
    const uint8_t *from = p + at[t];
    ISA_raw by[4 * PARTS];
    UNROLL
    for (int j = 0; j < blocks * PARTS; j++) by[j] = ISA_row(w + j / PARTS * 64 * steps + j % PARTS * 4 * LANES);
    UNROLL
    for (int i = 0; i < pixels; i++) {
      const ISA_raw four = ISA_spread(from + i % 4 * step);
      UNROLL
      for (int j = 0; j < blocks * PARTS; j++) sums[j * pixels + i] = ISA_dot(sums[j * pixels + i], four, by[j]);
      if (i % 4 == 3) from += 4 * step;
    }
  }
#if ISA_QUICK
  if (own->quick && blocks * pixels > 1) {
    UNROLL
    for (int n = 0; n < blocks * pixels; n += 4) {
      ISA_vec x[4];
      uint8_t *to[4];
      UNROLL
      for (int j = 0; j < 4; j++) {
        const int i = (n + j) / blocks, k = (n + j) % blocks;
        const int32_t *line = unit + UNIT * k;
        x[j] = sums[k * pixels + i], to[j] = q + i * own->to_pitch + 16 * k;
        ISA_line(own, x + j, ISA_numbers(line + SLOPE), ISA_numbers(line + ABOVE), ISA_numbers(line + BELOW));
      }
      ISA_put_four(to, x);
    }
    return;
  }
#endif
  UNROLL
  for (int i = 0; i < pixels; i++) {
    UNROLL
    for (int k = 0; k < blocks; k++) {
      ISA_vec x[PARTS];
      UNROLL
      for (int j = 0; j < PARTS; j++) x[j] = sums[(k * PARTS + j) * pixels + i];
      ISA_finish(own, q + i * own->to_pitch + 16 * k, x, unit + UNIT * k);
    }
  }
}

TARGETED static void ISA_convolve(const layer *own, const uint8_t *in, uint8_t *out) {
  for (int block = 0; block < own->blocks;) {
    const int left = own->blocks - block, many = MANY;
    const int8_t *w = weights + own->weight + block * 64 * own->steps;
    const int32_t *unit = units + own->unit + UNIT * block;
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->stride * own->row;
      uint8_t *q = out + y * own->to_row + 16 * block;
      for (int rest = own->width; rest > 0;) {
        int pixels;
        TILES
        p += pixels * own->stride * own->pitch, q += pixels * own->to_pitch, rest -= pixels;
      }
    }
    block += many;
  }
}
