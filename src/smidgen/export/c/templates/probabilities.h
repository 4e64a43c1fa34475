
/* Returns e to the power of a difference of logits, as 2^<BITS>ths; below is how far it is below 0. */
static inline uint32_t NAME_power(uint32_t below) {
  static const uint16_t powers[] = { /* 2^16 times 2^(-i / 64), less 2^15 */
      <POWERS>};
  const uint64_t halvings = (uint64_t)below * <FACTOR>u >> <SHIFT>; /* 16 bits behind the point */
  const uint32_t i = (uint32_t)halvings >> 10 & 63, rest = (uint32_t)halvings & 1023;
  const uint32_t down = (uint32_t)(halvings >> 16 < 31 ? halvings >> 16 : 31) + <SPARE>;
  const uint32_t power = ((powers[i] + 32768u) << 15) - ((uint32_t)(powers[i] - powers[i + 1]) * rest << 5);
  return down > 31 ? 0 : (power >> (down - 1)) / 2 + (power >> (down - 1)) % 2;
}

/* Writes the probabilities of the classes in 32,768ths, without floating point and without a
   division: each is within 3 of the softmax of the logits times UPPER_SCALE. */
static inline void NAME_probabilities(const int32_t *logits, uint16_t *probabilities) {
  const uint32_t most = (uint32_t)logits[NAME_argmax(logits)];
  <SUM> sum = 0;
  for (int k = 0; k < UPPER_CLASSES; k++) sum += NAME_power(most - (uint32_t)logits[k]);
  for (int k = 0; k < UPPER_CLASSES; k++) {
    <SUM> rest = NAME_power(most - (uint32_t)logits[k]), share = rest >= sum;
    rest -= share * sum;
    for (int bit = 0; bit < 15; bit++) {
      const uint32_t one = 2 * rest >= sum;
      rest = 2 * rest - one * sum;
      share = 2 * share + one;
    }
    probabilities[k] = (uint16_t)(share + (2 * rest >= sum));
  }
}
