
TARGETED static void ISA_pool(const layer *own, const uint8_t *in, uint8_t *out) {
  const int pitch = own->pitch, row = own->row, kernel = own->kernel, across = own->across, blocks = own->blocks, step = own->stride * pitch;
  for (int y = 0; y < own->height; y++) {
    const uint8_t *p = in + y * own->stride * row;
    uint8_t *q = out + y * own->to_row;
    for (int x = 0; x < own->width; x++, p += step, q += own->to_pitch) {
      for (int block = 0; block < blocks; block++) {
        const uint8_t *tap = p + 16 * block;
        ISA_sixteen best = ISA_sixteen_of(tap);
        if (kernel == 2 && across == 2) {
          best = ISA_larger(ISA_larger(best, ISA_sixteen_of(tap + pitch)), ISA_larger(ISA_sixteen_of(tap + row), ISA_sixteen_of(tap + row + pitch)));
        } else {
          for (int j = 0; j < kernel; j++) {
            for (int i = 0; i < across; i++) best = ISA_larger(best, ISA_sixteen_of(tap + j * row + i * pitch));
          }
        }
        memcpy(q + 16 * block, &best, 16);
      }
    }
  }
}
