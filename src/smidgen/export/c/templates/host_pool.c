
static void pool(const layer *own, const uint8_t *in, uint8_t *out) {
  for (int y = 0; y < own->height; y++) {
    for (int x = 0; x < own->width; x++) {
      const uint8_t *p = in + y * own->stride * own->row + x * own->stride * own->pitch;
      uint8_t *q = out + y * own->to_row + x * own->to_pitch;
      for (int block = 0; block < own->blocks; block++, p += 16, q += 16) {
        uint8_t best[16] = {0};
        for (int j = 0; j < own->kernel; j++) {
          for (int i = 0; i < own->across; i++) {
            const uint8_t *tap = p + j * own->row + i * own->pitch;
            for (int c = 0; c < 16; c++) best[c] = best[c] > tap[c] ? best[c] : tap[c];
          }
        }
        memcpy(q, best, 16);
      }
    }
  }
}
