
#if !TILED && !PACKED && (!THUMB || TILED_GATHER)
/* Lays a window of several rows out in one piece. Copies by fours, up to three bytes too many, which
   the next row overwrites. */
SMALL static void gather(const layer *own, int8_t *const *rows, int at, int8_t *to) {
  const int span = ACROSS(own) * own->channels, whole = PADDED(span);
  const int pitch = own->kernel * whole == ((own->kernel * span + 3) & ~3) ? whole : span;
  for (int j = 0; j < own->kernel; j++, to += pitch) {
    const int8_t *const from = rows[j] + at;
#if HELIUM
    for (int i = 0; i < span; i += 16) vstrbq_s8(to + i, vldrbq_s8(from + i));
#elif TWO_AT_ONCE
    for (int i = 0; i < span; i += 4) __builtin_memcpy(to + i, from + i, 4);
#else
    for (int i = 0; i < span; i++) {
      KEEP_LOOP;
      to[i] = from[i];
    }
#endif
  }
}
#endif
