
/* Appends a row to those before it: the last one completes the map. */
static SMALL void flatten(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own->width * own->channels;
  const int8_t *p = rows[0];
  out += at->row * count;
  for (int n = count; n; n--) {
    KEEP_LOOP;
    *out++ = *p++;
  }
}
