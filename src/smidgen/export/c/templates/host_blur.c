
/* Of binomials too large for a byte. */
static void blur(const layer *own, const uint8_t *in, uint8_t *out) {
  const uint8_t *taps = binomials + own->weight;
  for (int y = 0; y < own->height; y++) {
    for (int x = 0; x < own->width; x++) {
      const uint8_t *p = in + y * own->stride * own->row + x * own->stride * own->pitch;
      for (int c = 0; c < own->to_pitch; c++) {
        uint32_t sum = 1u << (own->shift - 1);
        for (int j = 0; j < own->kernel; j++) {
          for (int i = 0; i < own->kernel; i++) sum += (uint32_t)taps[j] * taps[i] * p[j * own->row + i * own->pitch + c];
        }
        out[y * own->to_row + x * own->to_pitch + c] = (uint8_t)(sum >> own->shift);
      }
    }
  }
}
