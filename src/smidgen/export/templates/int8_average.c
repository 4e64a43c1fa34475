
/* Adds a row to the sums; the last row turns them into means. */
APART void average(const layer *own, int row, int8_t *out) {
  const int channels = own->channels;
  const int32_t *unit = units + 2 * own->unit;
  for (int c = 0; c < channels; c++) {
    const int8_t *p = (const int8_t *)arena + own->map + c;
    int32_t *sum = arena + own->weight + c;
    if (!row) *sum = unit[0];
    for (int x = 0; x < own->width; x++, p += channels) *sum += *p;
    if (row + 1 == own->height) out[c] = narrowed(*sum, unit[1], shifts[own->unit], 2 * own[1].zero + 1);
  }
}
