
TARGETED static void ISA_classify(const layer *own, const uint8_t *in, int32_t *logits) {
  for (int block = 0; block < own->blocks; block++) {
    const int8_t *w = weights + own->weight + block * 64 * own->steps;
    ISA_vec sums[16 / LANES];
    for (int i = 0; i < 16 / LANES; i++) sums[i] = ISA_numbers(units + own->unit + UNIT * block + ISA_BIAS + i * LANES);
    for (int t = 0; t < own->steps; t++, w += 64) {
      const ISA_raw four = ISA_spread(in + 4 * t);
      for (int i = 0; i < 16 / LANES; i++) sums[i] = ISA_dot(sums[i], four, ISA_row(w + 4 * i * LANES));
    }
    const int left = UPPER_CLASSES - 16 * block;
    memcpy(logits + 16 * block, sums, (size_t)(left < 16 ? left : 16) * 4);
  }
}
