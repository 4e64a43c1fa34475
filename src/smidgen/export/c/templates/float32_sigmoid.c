/* e**-x as 2**n times a polynomial, to a relative 2e-7; no mathematical library needed. */
static float sigmoid(float x) {
  const float limited = x < -80 ? -80 : x > 80 ? 80 : x, power = -limited * 1.44269504f;
  const int whole = (int)(power < 0 ? power - 0.5f : power + 0.5f);
  const float rest = (power - (float)whole) * 0.693147181f;
  float e = 1 + rest * (1 + rest * (0.5f + rest * (0.166666667f + rest * (0.0416666667f + rest * (0.00833333333f + rest * 0.00138888889f)))));
  for (int n = whole; n > 0; n--) e *= 2;
  for (int n = whole; n < 0; n++) e *= 0.5f;
  return 1 / (1 + e);
}

