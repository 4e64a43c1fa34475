
/* In steps of 2**-20 of the coarser map's halves, which enter as they are. */
TARGETED INLINED static ISA_vec ISA_widened(const uint8_t *p, int32_t zero, int32_t by) {
  const ISA_vec none = ISA_bytes(p), x = none - zero, many = x - x + by;
  if (!by) return x * (1 << 19);
  ISA_vec y = ISA_scaled(x * (1 << 20), many);
  y += y >> 31;
  return (ISA_halves(y, many) + 1) >> 1;
}
TARGETED static void ISA_add(const layer *own, const uint8_t *in, uint8_t *out, const uint8_t *beside) {
  for (int y = 0; y < own->height; y++) {
    const uint8_t *p = in + y * own->row, *r = beside + y * own->beside_row;
    uint8_t *q = out + y * own->to_row;
    for (const uint8_t *const end = q + own->width * own->to_pitch; q != end; p += 16, q += 16, r += 16) {
      ISA_vec sums[16 / LANES];
      for (int i = 0; i < 16 / LANES; i++)
        sums[i] = ISA_widened(p + i * LANES, own->own_zero, own->own_by) + ISA_widened(r + i * LANES, own->beside_zero, own->beside_by);
      ISA_finish(own, q, sums, units + own->unit);
    }
  }
}
