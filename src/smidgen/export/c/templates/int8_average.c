
/* Adds a row to the sums and writes the means so far; those of the last row count. */
static SMALL void average(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const uint32_t *unit = units + 2 * own->unit;
  const int32_t zero = 2 * own[1].zero + 1;
  int32_t *sum = WORDS(rows) + own->weight;
  for (int c = 0; c < own->channels; c++, sum++) {
    const int8_t *p = MEMORY(rows) + own->map + c;
    if (!at->row) *sum = (int32_t)unit[0];
    for (int n = own->width; n; n--, p += own->channels) *sum += *p;
    *out++ = narrowed(*sum, unit[1], zero);
  }
}
