
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define avx512_BIAS 0
typedef int32_t avx512_vec __attribute__((vector_size(64)));
typedef __m512i avx512_raw;
AVX512 INLINED static avx512_raw avx512_spread(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
AVX512 INLINED static avx512_raw avx512_row(const void *p) { return _mm512_loadu_si512(p); }
AVX512 INLINED static avx512_vec avx512_numbers(const int32_t *p) { return (avx512_vec)avx512_row(p); }
AVX512 INLINED static avx512_vec avx512_bytes(const void *p) { return (avx512_vec)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
AVX512 INLINED static avx512_vec avx512_dot(avx512_vec sum, avx512_raw a, avx512_raw w) {
  return (avx512_vec)_mm512_dpbusd_epi32((__m512i)sum, a, w);
}
AVX512 INLINED static avx512_vec avx512_scaled(avx512_vec sum, avx512_vec by) {
  const __m512i half = _mm512_set1_epi64(0x40000000), x = (__m512i)sum, m = (__m512i)by;
  const __m512i even = _mm512_srli_epi64(_mm512_add_epi64(_mm512_mul_epi32(x, m), half), 31);
  const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(m, 32));
  return (avx512_vec)_mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(_mm512_add_epi64(odd, half), 1));
}
AVX512 INLINED static void avx512_put(void *q, const avx512_vec *x) {
  const __m512i zero = _mm512_setzero_si512();
  _mm_storeu_si128((__m128i *)q, _mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)x[0], zero)));
}
AVX512 INLINED static void avx512_together(const avx512_raw *in, avx512_raw *out) {
  const __m512i a = _mm512_unpacklo_epi8(in[0], in[1]), b = _mm512_unpackhi_epi8(in[0], in[1]);
  const __m512i c = _mm512_unpacklo_epi8(in[2], in[3]), d = _mm512_unpackhi_epi8(in[2], in[3]);
  out[0] = _mm512_unpacklo_epi16(a, c), out[1] = _mm512_unpackhi_epi16(a, c);
  out[2] = _mm512_unpacklo_epi16(b, d), out[3] = _mm512_unpackhi_epi16(b, d);
}
AVX512 INLINED static void avx512_put_together(void *q, const avx512_vec *x) {
  const __m512i low = _mm512_packs_epi32((__m512i)x[0], (__m512i)x[1]);
  const __m512i high = _mm512_packs_epi32((__m512i)x[2], (__m512i)x[3]);
  _mm512_storeu_si512(q, _mm512_packus_epi16(low, high));
}
