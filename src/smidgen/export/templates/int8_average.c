
/* Adds a row to the sums and writes the means so far; those of the last row count. */
static SMALL void average(const layer *own, const progress *at, const int8_t *const *rows, int8_t *out) {
  const uint32_t *unit = units + 2 * own->unit;
  for (int c = 0; c < own->channels; c++) {
    const int8_t *p = rows[0] + c;
    int32_t sum = at->row ? arena[own->weight + c] : (int32_t)unit[0];
    for (int n = own->width; n; n--, p += own->channels) sum += *p;
    arena[own->weight + c] = sum;
    out[c] = (int8_t)narrowed(sum, unit[1], shifts[own->unit], 2 * own[1].zero + 1);
  }
}
