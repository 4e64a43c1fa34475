
static SMALL int reflected(int at, int side) {
  if (side == 1) return 0;
  return at < 0 ? -at : at >= side ? 2 * side - 2 - at : at;
}

/* Binomial weights, whose sum is a power of two; halves round up, the zero point passes through. */
static SMALL void blur(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels, kernel = own->kernel, reach = kernel >> 1, shift = 2 * (kernel - 1);
  const uint8_t *const taps = binomials + own->weight;
  const uint32_t half = shift ? 1u << (shift - 1) : 0;
  const int8_t *places[WINDOW];
  int row = 0;
  do { /* at least one: of a kernel of one, GCC for RISC-V is not sure otherwise */
    const int back = at->filled - reflected(at->row * own->stride - reach + row, own->height);
    const int slot = at->slot < back ? at->slot - back + SLOTS(own) : at->slot - back;
    places[row] = MEMORY(rows) + own->map + slot * own->row_size + BESIDE(own) * channels;
  } while (++row < kernel);
  for (int x = 0; x < own[1].width; x++, out += channels) {
#if BLUR_FOURS
    /* four channels at a time in halves of two words, none of which overflows */
    for (int c = 0; c < channels; c += 4) {
      if (c + 4 > channels) c = channels - 4;
      uint32_t even = half * 0x10001, odd = even;
      for (int i = 0; i < kernel; i++) {
        const int from = reflected(x * own->stride - reach + i, own->width) * channels + c;
        for (int j = 0; j < kernel; j++) {
          const uint32_t four = word(places[j] + from) ^ 0x80808080, tap = (uint32_t)taps[i] * taps[j];
          even += (four & 0xFF00FF) * tap, odd += (four >> 8 & 0xFF00FF) * tap;
        }
      }
      even = ((even >> shift & 0xFF00FF) | (odd >> shift & 0xFF00FF) << 8) ^ 0x80808080;
      for (int i = 0; i < 4; i++, even >>= 8) out[c + i] = (int8_t)(even & 255);
    }
#else
    for (int c = 0; c < channels; c++) {
      int32_t sum = (int32_t)half;
      for (int i = 0; i < kernel; i++) {
        const int from = reflected(x * own->stride - reach + i, own->width) * channels + c;
        int32_t part = 0;
        for (int j = 0; j < kernel; j++) part += taps[j] * places[j][from];
        sum += taps[i] * part;
      }
      out[c] = (int8_t)(sum >> shift);
    }
#endif
  }
}
