
/* Every channel by its gate, which the table gives. */
TARGETED static void ISA_excite(const layer *own, const uint8_t *in, uint8_t *out, const uint8_t *gates) {
  for (int block = 0; block < own->blocks; block++) {
    int32_t by[16];
    for (int i = 0; i < 16; i++) by[i] = sigmoid[gates[16 * block + i]];
    for (int y = 0; y < own->height; y++) {
      const uint8_t *p = in + y * own->row + 16 * block;
      uint8_t *q = out + y * own->to_row + 16 * block;
      for (int x = 0; x < own->width; x++, p += own->pitch, q += own->to_pitch) {
        ISA_vec products[16 / LANES];
        for (int i = 0; i < 16 / LANES; i++) products[i] = (ISA_bytes(p + i * LANES) - own->own_zero) * ISA_numbers(by + i * LANES);
        ISA_finish(own, q, products, units + own->unit);
      }
    }
  }
}
