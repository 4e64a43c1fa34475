AVX2 INLINED static avx2_vec avx2_dot(avx2_vec sum, avx2_raw a, avx2_raw w) {
  return (avx2_vec)_mm256_dpbusd_avx_epi32((__m256i)sum, a, w);
}
