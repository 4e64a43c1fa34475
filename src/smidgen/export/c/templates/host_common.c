
/* The sums in steps of the map they go to: by is in 2**-31, its last five bits are the second
   rounding's shift less 1. What is negative ends at 0 however it is rounded, if 0 stands for 0. */
TARGETED INLINED static ISA_vec ISA_halves(ISA_vec x, ISA_vec by) { return x >> (by & 31); }
TARGETED INLINED static void ISA_narrow(const layer *own, ISA_vec *x, const ISA_vec *by, const int count) {
  UNROLL
  for (int i = 0; i < count; i++) {
    x[i] = ISA_scaled(x[i], by[i]);
    if (!own->relu) x[i] += x[i] >> 31;
    x[i] = (ISA_halves(x[i], by[i]) + own->zero) >> 1;
  }
}
TARGETED INLINED static void ISA_finish(const layer *own, uint8_t *q, ISA_vec *x, const int32_t *unit) {
#if ISA_QUICK
  if (own->quick) {
    ISA_line(own, x, ISA_numbers(unit + SLOPE), ISA_numbers(unit + ABOVE), ISA_numbers(unit + BELOW));
    ISA_put(q, x);
    return;
  }
#endif
  ISA_vec by[16 / LANES];
  for (int i = 0; i < 16 / LANES; i++) by[i] = ISA_numbers(unit + FACTOR + i * LANES);
  ISA_narrow(own, x, by, 16 / LANES);
  ISA_put(q, x);
}
