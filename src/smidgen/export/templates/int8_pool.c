
APART void pool(const layer *own, const int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, width = own[1].width, kernel = own->kernel;
  for (int x = 0; x < width; x++, out += channels) {
    for (int c = 0; c < channels; c++) {
      int best = -128;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x * own->stride * channels + c;
        for (int i = 0; i < kernel; i++, p += channels) {
          if (*p > best) best = *p;
        }
      }
      out[c] = (int8_t)best;
    }
  }
}
