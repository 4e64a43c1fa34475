
/* Each channel alone, 4 * LANES bytes at a time: channels of one pixel, or of several where a pixel
   has fewer. Groups go from the last to the first, as one that is not full writes into the next pixel. */
TARGETED static void ISA_filter(const layer *own, const uint8_t *in, uint8_t *out, uint8_t *spare) {
  enum { WHOLE = LANES / 4 };
  const int blocks = own->blocks, pixels = blocks < WHOLE && WHOLE % blocks == 0 ? WHOLE / blocks : 1;
  const int span = (own->width - 1) * own->stride + 1, steps = own->steps, shift = own->shift, pitch = own->pitch;
  const int32_t *at = places + own->places;
  ISA_raw w[4 * FILTER_STEPS];
  ISA_vec bias[4], by[4];
  for (int group = (blocks - 1) / WHOLE * WHOLE; group >= 0; group -= WHOLE) {
    for (int lane = 0; lane < WHOLE; lane++) {
      const int own_block = (group + lane) % blocks;
      const int32_t *unit = units + own->unit + UNIT * own_block;
      const int8_t *from = weights + own->weight + own_block * 64 * steps;
      for (int i = 0; i < 4; i++) {
        memcpy((uint8_t *)&bias[i] + 16 * lane, unit + ISA_BIAS + 4 * i, 16);
        memcpy((uint8_t *)&by[i] + 16 * lane, unit + FACTOR + 4 * i, 16);
      }
      for (int i = 0; i < 4 * steps; i++) memcpy((uint8_t *)&w[i] + 16 * lane, from + 16 * i, 16);
    }
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->stride * own->row + 16 * group;
      uint8_t *const to = out + y * own->to_row + 16 * group, *q = own->stride > 1 ? spare : to;
      for (int x = 0; x < span; x += pixels, p += pixels * pitch, q += pixels * pitch) {
        ISA_vec sums[4] = {bias[0], bias[1], bias[2], bias[3]};
        for (int t = 0; t < steps; t++) {
          const ISA_raw taps[4] = {ISA_row(p + at[4 * t]), ISA_row(p + at[4 * t + 1]), ISA_row(p + at[4 * t + 2]), ISA_row(p + at[4 * t + 3])};
          ISA_raw fours[4];
          ISA_together(taps, fours);
          UNROLL
          for (int i = 0; i < 4; i++) sums[i] = ISA_dot(sums[i], fours[i], w[4 * t + i]);
        }
        if (shift) {
          UNROLL
          for (int i = 0; i < 4; i++) sums[i] >>= shift;
        } else {
          ISA_narrow(own, sums, by, 4);
        }
        ISA_put_together(q, sums);
      }
      if (own->stride == 1) continue;
      const int bytes = blocks - group < WHOLE ? 16 * (blocks - group) : 16 * WHOLE;
      for (int x = 0; x < own->width; x++) memcpy(to + x * own->to_pitch, spare + x * own->stride * pitch, (size_t)bytes);
    }
  }
}
