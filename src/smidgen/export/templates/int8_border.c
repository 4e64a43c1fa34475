
/* The border of the pixels: a mean of its own for every channel. */
static void fill_pixels(int8_t *p, int rows) {
  for (int n = rows * (layers->width + 2 * layers->padding); n; n--) {
    for (int c = 0; c < layers->channels; c++) *p++ = border[c];
  }
}
