
/* The border of the pixels: a mean of its own for every channel. */
static void fill_pixels(int8_t *p, int rows) {
  const layer *const own = layers + BORDERED;
  for (int n = rows * (own->width + 2 * BESIDE(own)); n; n--) {
    for (int c = 0; c < own->channels; c++) *p++ = border[c];
  }
}
