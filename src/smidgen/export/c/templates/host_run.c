
static int reflected(int at, int side) {
  if (side == 1) return 0;
  return at < 0 ? -at : at >= side ? 2 * side - 2 - at : at;
}

/* Pixels of a row, all alike. */
static void fill(const layer *own, uint8_t *p, int count) {
  if (own->fill == CONSTANT) {
    memset(p, own->value, (size_t)(count * own->to_pitch));
    return;
  }
  for (; count; count--, p += own->to_pitch) memcpy(p, margins + own->value, (size_t)own->to_pitch);
}

/* The border of a map whose pixels are all there. */
static void surround(const layer *own, uint8_t *out) {
  const int border = own->border, pitch = own->to_pitch, width = own->width, mirrored = own->fill == MIRRORED;
  for (int y = 0; y < own->height; y++) {
    uint8_t *row = out + y * own->to_row;
    if (!mirrored) {
      fill(own, row - border * pitch, border), fill(own, row + width * pitch, border);
      continue;
    }
    for (int i = 1; i <= border; i++) {
      memcpy(row - i * pitch, row + reflected(-i, width) * pitch, (size_t)pitch);
      memcpy(row + (width - 1 + i) * pitch, row + reflected(width - 1 + i, width) * pitch, (size_t)pitch);
    }
  }
  uint8_t *const first = out - border * pitch;
  for (int i = 1; i <= border; i++) {
    uint8_t *above = first - i * own->to_row, *below = first + (own->height - 1 + i) * own->to_row;
    if (mirrored) {
      memcpy(above, first + reflected(-i, own->height) * own->to_row, (size_t)own->to_row);
      memcpy(below, first + reflected(own->height - 1 + i, own->height) * own->to_row, (size_t)own->to_row);
    } else {
      fill(own, above, width + 2 * border), fill(own, below, width + 2 * border);
    }
  }
}
