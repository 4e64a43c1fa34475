/* Products of 16 bits, which two sums of 8 bits would not hold: of even bytes, then of odd ones. */
AVX2 INLINED static avx2_vec avx2_dot(avx2_vec sum, avx2_raw a, avx2_raw w) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(w, 8));
  return sum + (avx2_vec)_mm256_add_epi32(even, odd);
}
