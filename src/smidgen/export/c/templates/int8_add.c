
/* Adds a row of the map before the inner layers, or what a shortcut makes of it: the ring that the
   first of them reads still holds that row. In steps of 2**-20 of the coarser map's halves, which
   enter as they are; the other one's are rescaled and rounded twice, 0 in place of a multiplier
   standing for a half. */
static void add(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const layer *side = layers + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  const progress *from = at - side->first;
  const int32_t bias = (int32_t)unit[0], halves = (int32_t)unit[2], zero = 2 * own[1].zero + 1;
  const uint32_t by = unit[1], shift = by >> 1 & 31, back = unit[5];
  int8_t *held = MEMORY(rows) + side->map;
  int slot = from->slot - from->filled + at->row * side->stride;
  while (slot < 0) slot += SLOTS(side);
  held += slot * side->row_size + BESIDE(side) * side->channels;
#if BLURRED_SHORTCUTS
  if (side->kind == BLUR) {
    const progress here = {at->row, from->filled, from->slot};
    blur(side, &here, rows, MEMORY(rows) + side[1].map);
    side++;
    held = MEMORY(rows) + side->map;
  }
#endif
#if SHORTCUTS
  if (side->kind == CONVOLVE) {
    int8_t *one[WINDOW + 1];
    one[0] = held, one[WINDOW] = MEMORY(rows);
    convolve(side, at, one, out);
    held = out;
  }
#endif
  const int8_t *p = held, *q = rows[0];
  if (unit[3]) {
    const int8_t *const made = q;
    q = p, p = made;
  }
  for (const int8_t *const end = out + own->width * own->channels; out != end;) {
    int32_t x = *q++ * 0x100000 + bias;
#if TWO_AT_ONCE
    x = scaled(x, by);
#else
    if (by) x = scaled(x, by);
#endif
    x += x >> 31;
    x = (((x >> shift) + halves) >> 1) + *p++ * 0x80000;
    *out++ = narrowed(x, back, zero);
  }
}
