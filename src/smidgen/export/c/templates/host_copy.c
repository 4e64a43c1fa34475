
static void copy(const layer *own, const uint8_t *in, uint8_t *out) {
  for (int y = 0; y < own->height; y++) memcpy(out + y * own->to_row, in + y * own->row, (size_t)(own->width * own->to_pitch));
}
