
/* Of a pair of outputs, four weights each: terms 0, 2, 1 and 3 follow each other, for both. */
static INLINED v128_t pair_of(const int8_t *w) {
  const v128_t v = wasm_i16x8_load8x8(w);
  return wasm_i16x8_shuffle(v, v, 0, 4, 2, 6, 1, 5, 3, 7);
}

/* Lays a window of several rows out in one piece, by fours, up to three bytes too many. */
static const int8_t *laid_out(const layer *own, int8_t *const *rows, int at, int8_t *to) {
  const int span = ACROSS(own) * own->channels, whole = (span + 3) & ~3;
  const int pitch = own->kernel * whole == ((own->kernel * span + 3) & ~3) ? whole : span;
  const int8_t *const begin = to;
  for (int j = 0; j < own->kernel; j++, to += pitch) {
    for (int i = 0; i < span; i += 4) __builtin_memcpy(to + i, rows[j] + at + i, 4);
  }
  return begin;
}

/* Four pixels by four outputs; where there are fewer, some are computed again. */
static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  static int8_t windows[4][LARGEST_WINDOW + 4];
  const int count = own[1].channels, last = own[1].width - 1, span = ACROSS(own) * own->channels;
  const int size = (own->kernel * span + 3) & ~3, step = own->stride * own->channels;
  const v128_t zero = wasm_i32x4_splat(2 * own[1].zero + 1);
  const uint32_t *const first = units + 2 * own->unit;
  int along[4]; /* pixels beside each other */
  for (int j = 0; j < 4; j++) along[j] = j < last ? j : last;
  (void)at;
  for (int column = 0; column <= last; column += 4) {
    const int x = column + 3 <= last ? column : last > 3 ? last - 3 : 0;
    const int8_t *p[4], *weight = weights + own->weight;
    UNROLL
    for (int j = 0; j < 4; j++) {
      const int from = (x + along[j]) * step;
      p[j] = own->kernel > 1 ? laid_out(own, rows, from, windows[j]) : rows[0] + from;
    }
    for (int k = 0; k < count; k += 4, weight += 4 * size) {
      const int second = k + 2 < count ? 2 : 0, beside = second * size;
      const four numbers = four_of(first + 2 * k, first + 2 * (k + second));
      v128_t a[4], b[4], made[4];
      UNROLL
      for (int j = 0; j < 4; j++) a[j] = b[j] = wasm_i32x4_splat(0);
      const int8_t *w = weight;
      for (int i = 0; i < size; i += 4, w += 8) {
        const v128_t v = pair_of(w), u = pair_of(w + beside);
        UNROLL
        for (int j = 0; j < 4; j++) {
          const v128_t q = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_splat(p[j] + i));
          a[j] = wasm_i32x4_add(a[j], wasm_i32x4_dot_i16x8(q, v));
          b[j] = wasm_i32x4_add(b[j], wasm_i32x4_dot_i16x8(q, u));
        }
      }
      UNROLL
      for (int j = 0; j < 4; j++) {
        const v128_t even = wasm_i32x4_shuffle(a[j], b[j], 0, 2, 4, 6);
        const v128_t odd = wasm_i32x4_shuffle(a[j], b[j], 1, 3, 5, 7);
        const v128_t sum = wasm_i32x4_add(wasm_i32x4_add(even, odd), numbers.bias);
        made[j] = four_narrowed(sum, numbers, zero);
      }
      const v128_t first_two = wasm_i16x8_narrow_i32x4(made[0], made[1]);
      const v128_t all = wasm_i8x16_narrow_i16x8(first_two, wasm_i16x8_narrow_i32x4(made[2], made[3]));
      int8_t *const q = out + x * count + k;
      put(q, (uint32_t)wasm_i32x4_extract_lane(all, 0), count - k);
      put(q + along[1] * count, (uint32_t)wasm_i32x4_extract_lane(all, 1), count - k);
      put(q + along[2] * count, (uint32_t)wasm_i32x4_extract_lane(all, 2), count - k);
      put(q + along[3] * count, (uint32_t)wasm_i32x4_extract_lane(all, 3), count - k);
    }
  }
}
