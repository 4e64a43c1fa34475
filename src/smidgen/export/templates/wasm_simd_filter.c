
/* Two taps of four channels at a time: channel by channel, the first tap's byte and the second's. */
static INLINED v128_t taps(const int8_t *first, const int8_t *second) {
  const v128_t a = wasm_v128_load32_zero(first), b = wasm_v128_load32_zero(second);
  return wasm_i16x8_extend_low_i8x16(
      wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 0, 0, 0, 0, 0, 0, 0, 0));
}

/* Each channel alone, four at a time; weights lie in fours of channels. */
INLINED static void filtered(const layer *own, int8_t *const *rows, int8_t *out, const int kernel, const int across) {
  const int channels = own->channels, step = own->stride * channels, all = kernel * across;
  const v128_t zero = wasm_i32x4_splat(2 * own[1].zero + 1);
  const int8_t *first = weights + own->weight;
  const uint32_t *unit = units + 2 * own->unit;
  int8_t *const end = out + own[1].width * channels;
  const int8_t none[4] = {0, 0, 0, 0};
  for (int c = 0; c < channels; c += 4, unit += 8, first += 4 * all) {
    const four numbers = four_of(unit, unit + 4);
    v128_t weight[(LARGEST_FILTER + 1) / 2];
    UNROLL
    for (int i = 0; i < all; i += 2) {
      weight[i / 2] = taps(first + 4 * i, i + 1 < all ? first + 4 * i + 4 : none);
    }
    int at = c;
    for (int8_t *q = out + c; q < end; q += channels, at += step) {
      v128_t sum = numbers.bias;
      UNROLL
      for (int i = 0; i < all; i += 2) {
        const int8_t *a = rows[i / across] + at + i % across * channels, *b = none;
        if (i + 1 < all) b = rows[(i + 1) / across] + at + (i + 1) % across * channels;
        sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(taps(a, b), weight[i / 2]));
      }
      sum = four_narrowed(sum, numbers, zero);
      sum = wasm_i16x8_narrow_i32x4(sum, sum);
      sum = wasm_i8x16_narrow_i16x8(sum, sum);
      put(q, (uint32_t)wasm_i32x4_extract_lane(sum, 0), WHOLE_FOURS ? 4 : channels - c);
    }
  }
}

static void filter(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  (void)at;
  FILTERED(own, rows, out);
}
