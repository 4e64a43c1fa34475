
/* Lays every window of several rows out in one piece. Copies by fours, up to three bytes too many,
   which the next row overwrites. */
SMALL static const int8_t *gather(const layer *own, int8_t *const *rows, int size) {
  int8_t *const patch = MEMORY(rows) + PATCH, *to = patch;
  const int span = own->kernel * own->channels;
  for (int n = 0, at = 0; n < own[1].width; n++, at += own->stride * own->channels) {
    int8_t *row = to;
    for (int j = 0; j < own->kernel; j++, row += span) {
#if TWO_AT_ONCE
      for (int i = 0; i < span; i += 4) __builtin_memcpy(row + i, rows[j] + at + i, 4);
#else
      for (int i = 0; i < span; i++) {
        KEEP_LOOP;
        row[i] = rows[j][at + i];
      }
#endif
    }
    to += size;
  }
  return patch;
}
