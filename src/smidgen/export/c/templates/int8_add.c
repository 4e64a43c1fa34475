
/* A number of a map in steps of a sum, 2**20 of which are at least one of the map's: 0 in place of
   a multiplier halves, which is exact. */
static inline int32_t widened(int32_t number, const uint32_t *unit) {
  int32_t x = number * 0x100000 + (int32_t)unit[0];
  if (unit[1]) x = scaled(x, unit[1]);
  x += x >> 31;
  return ((x >> (unit[1] >> 1 & 31)) + 1) >> 1;
}

/* Adds a row of the map before the inner layers, or what a shortcut makes of it. The ring that the
   first of them reads still holds that row. */
static SMALL void add(const layer *own, const progress *at, const int8_t *const *rows, int8_t *out) {
  const layer *side = layers + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  const progress *from = at - side->first;
  const int32_t zero = 2 * own[1].zero + 1;
  const int8_t *p = (const int8_t *)arena + side->map, *q = rows[0];
  int slot = from->slot - from->filled + at->row * side->stride;
  while (slot < 0) slot += SLOTS(side);
  p += slot * side->row_size + side->padding * side->channels;
#if BLURRED_SHORTCUTS
  if (side->kind == BLUR) {
    const progress here = {at->row, from->filled, from->slot};
    blur(side, &here, rows, (int8_t *)arena + side[1].map);
    side++;
    p = (const int8_t *)arena + side->map;
  }
#endif
#if SHORTCUTS
  if (side->kind == CONVOLVE) {
    convolve(side, at, &p, out);
    p = out;
  }
#endif
  for (int n = own->width * own->channels; n; n--) {
    const int32_t sum = widened(*q++, unit) + widened(*p++, unit + 2);
    *out++ = narrowed(sum, unit[5], zero);
  }
}
