
/* All pixels of a map side by side, without what pads their channels. */
static void flatten(const layer *own, const uint8_t *in, uint8_t *out) {
  for (int y = 0; y < own->seen_height; y++) {
    for (int x = 0; x < own->seen_width; x++, out += own->channels) memcpy(out, in + y * own->row + x * own->pitch, (size_t)own->channels);
  }
}
