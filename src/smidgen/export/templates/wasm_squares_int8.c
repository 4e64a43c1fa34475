
/* What each square of the map gave to a logit, in its units; the squares add up to it. A channel's
   mean was rounded: its squares share that in proportion. The bias is spread evenly. */
EXPORT(squares) double *squares_of(int class_) {
  const layer *head = layers + LAYERS - 1;
  const uint32_t *unit = units + 2 * head[-1].unit;
  const int8_t *weight = weights + head->weight + class_ * FEATURES;
  const int32_t zero = -(int32_t)unit[0] / SQUARES;
  int32_t bias = biases[class_];
  for (int c = 0; c < FEATURES; c++) bias += weight[c] * head->zero;
  for (int i = 0; i < SQUARES; i++) squares[i] = (double)bias / SQUARES;
  for (int c = 0; c < FEATURES; c++) {
    int32_t sum = (int32_t)unit[0];
    for (int i = 0; i < SQUARES; i++) sum += kept[i * FEATURES + c];
    const int32_t mean = narrowed(sum, unit[1], 2 * head->zero + 1) - head->zero;
    const double share = sum ? (double)(weight[c] * mean) / sum : 0;
    for (int i = 0; i < SQUARES; i++) squares[i] += share * (kept[i * FEATURES + c] - zero);
  }
  return squares;
}
