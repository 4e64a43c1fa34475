
static void walk(uint8_t *arena, int32_t *logits) {
#if OF_X86
#if UPPER_SIMD > 2
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")) {
    avx512_walk(arena, logits);
    return;
  }
#endif
#if UPPER_SIMD > 1 && !defined(__clang__)
  if (__builtin_cpu_supports("avxvnni")) {
    avxvnni_walk(arena, logits);
    return;
  }
#endif
  if (__builtin_cpu_supports("avx2")) {
    avx2_walk(arena, logits);
    return;
  }
#endif
#if OF_ARM
  neon_walk(arena, logits);
#else
  plain_walk(arena, logits);
#endif
}

void NAME_rows(void *memory, NAME_source *source, void *context, int32_t *logits) {
  uint8_t *const arena = (uint8_t *)memory, *const out = arena + layers->to;
  for (int y = 0; y < UPPER_HEIGHT; y++) {
    const uint8_t *pixels = source(context, y);
    uint8_t *q = out + y * layers->to_row;
    if (layers->to_pitch == UPPER_CHANNELS) {
      memcpy(q, pixels, UPPER_WIDTH * UPPER_CHANNELS);
      continue;
    }
    for (int x = 0; x < UPPER_WIDTH; x++, q += layers->to_pitch, pixels += UPPER_CHANNELS) memcpy(q, pixels, UPPER_CHANNELS);
  }
  if (layers->border) surround(layers, out);
  walk(arena, logits);
}
