
TARGETED static void ISA_average(const layer *own, const uint8_t *in, uint8_t *out) {
  const int32_t *unit = units + own->unit;
  for (int block = 0; block < own->blocks; block++, in += 16) {
    ISA_vec sums[16 / LANES];
    for (int i = 0; i < 16 / LANES; i++) sums[i] = ISA_numbers(unit + i * LANES);
    for (int y = 0; y < own->seen_height; y++) {
      const uint8_t *p = in + y * own->row;
      for (int x = 0; x < own->seen_width; x++, p += own->pitch) {
        for (int i = 0; i < 16 / LANES; i++) sums[i] += ISA_bytes(p + i * LANES);
      }
    }
    ISA_finish(own, out + 16 * block, sums, unit);
  }
}
