
/* Each channel alone, 4 * LANES bytes at a time: channels of one pixel, or of several where a pixel
   has fewer. */
typedef struct {
  ISA_raw w[4 * FILTER_STEPS];
  ISA_vec bias[4], by[4], above[4], below[4];
} ISA_filters;
/* Of four vectors of bytes, four taps of every channel side by side. */
TARGETED INLINED static void ISA_taps(const uint8_t *p, const int32_t *at, ISA_raw *fours) {
  const ISA_raw taps[4] = {ISA_row(p + at[0]), ISA_row(p + at[1]), ISA_row(p + at[2]), ISA_row(p + at[3])};
  ISA_together(taps, fours);
}
TARGETED INLINED static void ISA_filtered(const layer *own, const ISA_filters *f, uint8_t *q, ISA_vec *sums) {
  if (own->shift) {
    UNROLL
    for (int i = 0; i < 4; i++) sums[i] >>= own->shift;
#if ISA_QUICK
  } else if (own->quick) {
    UNROLL
    for (int i = 0; i < 4; i++) ISA_line(own, sums + i, f->by[i], f->above[i], f->below[i]);
#endif
  } else {
    ISA_narrow(own, sums, f->by, 4);
  }
  ISA_put_together(q, sums);
}
#if FILTER_STEPS > 2
/* Three rows, from top to bottom: taps of a row serve three sums. From right to left, as what is written
   beyond a row is the next one's begin. */
TARGETED static void ISA_filter_rows(const layer *own, const ISA_filters *f, const uint8_t *in, uint8_t *out, int pixels) {
  const int32_t *at = places + own->places;
  for (int x = (own->width - 1) / pixels * pixels; x >= 0; x -= pixels) {
    const uint8_t *p = in + x * own->pitch;
    uint8_t *q = out + x * own->to_pitch;
    ISA_raw first[4], second[4], third[4];
    ISA_taps(p, at, first), ISA_taps(p + own->row, at, second);
    p += 2 * own->row;
    for (int y = 0; y < own->height; y++, p += own->row, q += own->to_row) {
      ISA_vec sums[4];
      ISA_taps(p, at, third);
      UNROLL
      for (int i = 0; i < 4; i++) {
        sums[i] = ISA_dot(ISA_dot(ISA_dot(f->bias[i], first[i], f->w[i]), second[i], f->w[4 + i]), third[i], f->w[8 + i]);
        first[i] = second[i], second[i] = third[i];
      }
      ISA_filtered(own, f, q, sums);
    }
  }
}
#endif
/* Groups go from the last to the first, as one that is not full writes into the next pixel. */
TARGETED static void ISA_filter(const layer *own, const uint8_t *in, uint8_t *out, uint8_t *spare) {
  enum { WHOLE = LANES / 4 };
  const int blocks = own->blocks, pixels = blocks < WHOLE && WHOLE % blocks == 0 ? WHOLE / blocks : 1;
  const int span = (own->width - 1) * own->stride + 1, steps = own->steps, pitch = own->pitch;
  const int factor = ISA_QUICK && own->quick ? SLOPE : FACTOR;
  const int32_t *at = places + own->places;
  ISA_filters f;
  for (int group = (blocks - 1) / WHOLE * WHOLE; group >= 0; group -= WHOLE) {
    for (int lane = 0; lane < WHOLE; lane++) {
      const int own_block = (group + lane) % blocks;
      const int32_t *unit = units + own->unit + UNIT * own_block;
      const int8_t *from = weights + own->weight + own_block * 64 * steps;
      for (int i = 0; i < 4; i++) {
        memcpy((uint8_t *)&f.bias[i] + 16 * lane, unit + ISA_BIAS + 4 * i, 16);
        memcpy((uint8_t *)&f.by[i] + 16 * lane, unit + factor + 4 * i, 16);
        memcpy((uint8_t *)&f.above[i] + 16 * lane, unit + ABOVE + 4 * i, 16);
        memcpy((uint8_t *)&f.below[i] + 16 * lane, unit + BELOW + 4 * i, 16);
      }
      for (int i = 0; i < 4 * steps; i++) memcpy((uint8_t *)&f.w[i] + 16 * lane, from + 16 * i, 16);
    }
#if FILTER_STEPS > 2
    if (own->by_rows && steps == 3 && own->stride == 1 && (pixels > 1 || blocks >= WHOLE)) {
      ISA_filter_rows(own, &f, in + 16 * group, out + 16 * group, pixels);
      continue;
    }
#endif
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->stride * own->row + 16 * group;
      uint8_t *const to = out + y * own->to_row + 16 * group, *q = own->stride > 1 ? spare : to;
      for (int x = 0; x < span; x += pixels, p += pixels * pitch, q += pixels * pitch) {
        ISA_vec sums[4] = {f.bias[0], f.bias[1], f.bias[2], f.bias[3]};
        for (int t = 0; t < steps; t++) {
          ISA_raw fours[4];
          ISA_taps(p, at + 4 * t, fours);
          UNROLL
          for (int i = 0; i < 4; i++) sums[i] = ISA_dot(sums[i], fours[i], f.w[4 * t + i]);
        }
        ISA_filtered(own, &f, q, sums);
      }
      if (own->stride == 1) continue;
      const int bytes = blocks - group < WHOLE ? 16 * (blocks - group) : 16 * WHOLE;
      for (int x = 0; x < own->width; x++) memcpy(to + x * own->to_pitch, spare + x * own->stride * pitch, (size_t)bytes);
    }
  }
}
