
#define NEON
#define neon_QUICK 0
typedef int32_t neon_vec __attribute__((vector_size(16)));
typedef uint8x16_t neon_raw;
NEON INLINED static neon_raw neon_spread(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, 4);
  return vreinterpretq_u8_u32(vdupq_n_u32(four));
}
NEON INLINED static neon_raw neon_row(const void *p) { return vld1q_u8((const uint8_t *)p); }
NEON INLINED static neon_vec neon_numbers(const int32_t *p) { return (neon_vec)vld1q_s32(p); }
NEON INLINED static neon_vec neon_bytes(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, 4);
  return (neon_vec)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
#if UPPER_SIMD > 1 && defined(__ARM_FEATURE_DOTPROD)
#define neon_BIAS 32
NEON INLINED static neon_vec neon_dot(neon_vec sum, neon_raw a, neon_raw w) {
  return (neon_vec)vdotq_s32((int32x4_t)sum, vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(128))), vreinterpretq_s8_u8(w));
}
#else
#define neon_BIAS 0
NEON INLINED static neon_vec neon_dot(neon_vec sum, neon_raw a, neon_raw w) {
  const int8x16_t by = vreinterpretq_s8_u8(w);
  const int16x8_t of_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a))), of_high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(a)));
  const int16x8_t low = vmulq_s16(of_low, vmovl_s8(vget_low_s8(by))), high = vmulq_s16(of_high, vmovl_s8(vget_high_s8(by)));
  return (neon_vec)vaddq_s32((int32x4_t)sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
#endif
NEON INLINED static neon_vec neon_scaled(neon_vec sum, neon_vec by) {
  const int32x4_t x = (int32x4_t)sum, m = (int32x4_t)by;
  const int64x2_t low = vmull_s32(vget_low_s32(x), vget_low_s32(m)), high = vmull_high_s32(x, m);
  return (neon_vec)vcombine_s32(vrshrn_n_s64(low, 31), vrshrn_n_s64(high, 31));
}
NEON INLINED static void neon_put(uint8_t *q, const neon_vec *x) {
  const int16x8_t low = vcombine_s16(vqmovn_s32((int32x4_t)x[0]), vqmovn_s32((int32x4_t)x[1]));
  const int16x8_t high = vcombine_s16(vqmovn_s32((int32x4_t)x[2]), vqmovn_s32((int32x4_t)x[3]));
  vst1q_u8(q, vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)));
}
NEON INLINED static void neon_together(const neon_raw *in, neon_raw *out) {
  const uint16x8_t a = vreinterpretq_u16_u8(vzip1q_u8(in[0], in[1])), b = vreinterpretq_u16_u8(vzip2q_u8(in[0], in[1]));
  const uint16x8_t c = vreinterpretq_u16_u8(vzip1q_u8(in[2], in[3])), d = vreinterpretq_u16_u8(vzip2q_u8(in[2], in[3]));
  out[0] = vreinterpretq_u8_u16(vzip1q_u16(a, c)), out[1] = vreinterpretq_u8_u16(vzip2q_u16(a, c));
  out[2] = vreinterpretq_u8_u16(vzip1q_u16(b, d)), out[3] = vreinterpretq_u8_u16(vzip2q_u16(b, d));
}
NEON INLINED static void neon_put_together(uint8_t *q, const neon_vec *x) { neon_put(q, x); }
typedef uint8x16_t neon_sixteen;
NEON INLINED static neon_sixteen neon_sixteen_of(const uint8_t *p) { return vld1q_u8(p); }
NEON INLINED static neon_sixteen neon_larger(neon_sixteen a, neon_sixteen b) { return vmaxq_u8(a, b); }
