
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define avx512_BIAS 0
#define avx512_QUICK 1
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
/* A sum on its line, every step rounded down, whatever the program has told the processor to do. */
AVX512 INLINED static void avx512_line(const layer *own, avx512_vec *x, avx512_vec slope, avx512_vec above, avx512_vec below) {
  const __m512i sum = (__m512i)*x;
  const __m512 from = own->relu ? (__m512)above : _mm512_mask_blend_ps(_mm512_cmplt_epi32_mask(sum, _mm512_setzero_si512()), (__m512)above, (__m512)below);
  const __m512 exact = _mm512_cvt_roundepi32_ps(sum, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  *x = (avx512_vec)_mm512_cvttps_epi32(_mm512_fmadd_round_ps(exact, (__m512)slope, from, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
}
/* Sixteens of four places. */
AVX512 INLINED static void avx512_put_four(uint8_t *const *to, const avx512_vec *x) {
  const __m512i low = _mm512_packs_epi32((__m512i)x[0], (__m512i)x[1]), high = _mm512_packs_epi32((__m512i)x[2], (__m512i)x[3]);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i all = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
  _mm_storeu_si128((__m128i *)(void *)to[0], _mm512_castsi512_si128(all)), _mm_storeu_si128((__m128i *)(void *)to[1], _mm512_extracti32x4_epi32(all, 1));
  _mm_storeu_si128((__m128i *)(void *)to[2], _mm512_extracti32x4_epi32(all, 2)), _mm_storeu_si128((__m128i *)(void *)to[3], _mm512_extracti32x4_epi32(all, 3));
}
typedef __m128i avx512_sixteen;
AVX512 INLINED static avx512_sixteen avx512_sixteen_of(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
AVX512 INLINED static avx512_sixteen avx512_larger(avx512_sixteen a, avx512_sixteen b) { return _mm_max_epu8(a, b); }
