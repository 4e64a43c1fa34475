
/* What each square of the map gave to a logit; the squares add up to it, the bias spread evenly. */
EXPORT(squares) double *squares_of(int class_) {
  const float *weight = head + class_ * CHANNELS;
  for (int i = 0; i < SQUARES; i++) {
    double sum = head_bias[class_];
    for (int c = 0; c < CHANNELS; c++) sum += (double)weight[c] * kept[i * CHANNELS + c];
    squares[i] = sum / SQUARES;
  }
  return squares;
}
