
/* Makes the bytes that the net takes of measured values: of count pixels, moments of a sensor say,
   UPPER_CHANNELS each, in the units of training. A byte is floor((value - offset) / step + 1/2), at
   least 0 and at most 255: where a double is computed in 64 bits, what Python makes of the same
   float. Returns 1, or 0 if one is NaN, which becomes 0, or infinite: Python refuses these. */
static inline int NAME_bytes(const float *values, uint32_t count, uint8_t *bytes) {
  static const double offsets[] = UPPER_OFFSETS, steps[] = UPPER_STEPS;
  int finite = 1;
  for (uint32_t i = 0; i < count; i++) {
    for (int c = 0; c < UPPER_CHANNELS; c++) {
      const double value = (double)*values++, level = (value - offsets[c]) / steps[c] + 0.5;
      if (!(value > -3.5e38 && value < 3.5e38)) finite = 0;
      *bytes++ = (uint8_t)(level >= 255 ? 255 : level >= 1 ? level : 0);
    }
  }
  return finite;
}
