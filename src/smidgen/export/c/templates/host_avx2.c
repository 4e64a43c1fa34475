
#define AVX2 __attribute__((target("avx2")))
#define avx2_BIAS 0
#define avx2_QUICK 0
typedef int32_t avx2_vec __attribute__((vector_size(32)));
typedef __m256i avx2_raw;
AVX2 INLINED static avx2_raw avx2_spread(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
AVX2 INLINED static avx2_raw avx2_row(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2 INLINED static avx2_vec avx2_numbers(const int32_t *p) { return (avx2_vec)avx2_row(p); }
AVX2 INLINED static avx2_vec avx2_bytes(const void *p) { return (avx2_vec)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
DOT
AVX2 INLINED static avx2_vec avx2_scaled(avx2_vec sum, avx2_vec by) {
  const __m256i half = _mm256_set1_epi64x(0x40000000), x = (__m256i)sum, m = (__m256i)by;
  const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32(x, m), half), 31);
  const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(m, 32));
  return (avx2_vec)_mm256_blend_epi32(even, _mm256_slli_epi64(_mm256_add_epi64(odd, half), 1), 0xAA);
}
AVX2 INLINED static void avx2_put(void *q, const avx2_vec *x) {
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)x[0], (__m256i)x[1]), 0xD8);
  _mm_storeu_si128((__m128i *)q, _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}
/* Of four vectors of bytes, the first, second ... bytes together: four channels of each lane a vector. */
AVX2 INLINED static void avx2_together(const avx2_raw *in, avx2_raw *out) {
  const __m256i a = _mm256_unpacklo_epi8(in[0], in[1]), b = _mm256_unpackhi_epi8(in[0], in[1]);
  const __m256i c = _mm256_unpacklo_epi8(in[2], in[3]), d = _mm256_unpackhi_epi8(in[2], in[3]);
  out[0] = _mm256_unpacklo_epi16(a, c), out[1] = _mm256_unpackhi_epi16(a, c);
  out[2] = _mm256_unpacklo_epi16(b, d), out[3] = _mm256_unpackhi_epi16(b, d);
}
AVX2 INLINED static void avx2_put_together(void *q, const avx2_vec *x) {
  const __m256i low = _mm256_packs_epi32((__m256i)x[0], (__m256i)x[1]);
  const __m256i high = _mm256_packs_epi32((__m256i)x[2], (__m256i)x[3]);
  _mm256_storeu_si256((__m256i *)q, _mm256_packus_epi16(low, high));
}
typedef __m128i avx2_sixteen;
AVX2 INLINED static avx2_sixteen avx2_sixteen_of(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
AVX2 INLINED static avx2_sixteen avx2_larger(avx2_sixteen a, avx2_sixteen b) { return _mm_max_epu8(a, b); }
