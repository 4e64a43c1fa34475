
static int reflected(int at, int side) {
  if (side == 1) return 0;
  return at < 0 ? -at : at >= side ? 2 * side - 2 - at : at;
}

/* Binomial weights, whose sum is a power of two; halves round up, the zero point passes through. */
static void blur(const layer *own, const progress *at, const int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = own->kernel, reach = kernel >> 1, shift = 2 * (kernel - 1);
  const uint8_t *const taps = binomials + own->weight;
  const int8_t *lines[WINDOW];
  int columns[WINDOW];
  (void)rows;
  for (int j = 0; j < kernel; j++) {
    const int back = at->filled - reflected(at->row * own->stride - reach + j, own->height);
    const int slot = at->slot < back ? at->slot - back + kernel : at->slot - back;
    lines[j] = (const int8_t *)arena + own->map + slot * own->row_size;
  }
  for (int x = 0; x < own[1].width; x++) {
    for (int i = 0; i < kernel; i++) {
      columns[i] = reflected(x * own->stride - reach + i, own->width) * channels;
    }
    for (int c = 0; c < channels; c++) {
      int32_t sum = shift ? 1 << (shift - 1) : 0;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = lines[j] + c;
        int32_t part = 0;
        for (int i = 0; i < kernel; i++) part += taps[i] * p[columns[i]];
        sum += taps[j] * part;
      }
      *out++ = (int8_t)(sum >> shift);
    }
  }
}
