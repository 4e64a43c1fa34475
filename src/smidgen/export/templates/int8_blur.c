
static int reflected(int at, int side) {
  if (side == 1) return 0;
  return at < 0 ? -at : at >= side ? 2 * side - 2 - at : at;
}

/* Binomial weights, whose sum is a power of two; halves round up, the zero point passes through. */
static void blur(const layer *own, const progress *at, const int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, width = own->width, kernel = own->kernel, reach = kernel >> 1;
  const int row_size = width * channels, shift = 2 * (kernel - 1);
  (void)rows;
  const uint8_t *taps = binomials + own->weight;
  for (int x = 0; x < own[1].width; x++, out += channels) {
    for (int c = 0; c < channels; c++) {
      int32_t sum = shift ? 1 << (shift - 1) : 0;
      for (int j = 0; j < kernel; j++) {
        const int back = at->filled - reflected(at->row * own->stride - reach + j, own->height);
        const int slot = at->slot < back ? at->slot - back + kernel : at->slot - back;
        const int8_t *p = (const int8_t *)arena + own->map + slot * row_size + c;
        int32_t part = 0;
        for (int i = 0; i < kernel; i++) {
          part += taps[i] * p[reflected(x * own->stride - reach + i, width) * channels];
        }
        sum += taps[j] * part;
      }
      out[c] = (int8_t)(sum >> shift);
    }
  }
}
