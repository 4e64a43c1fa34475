
#if WIDEST > 20 /* the largest shift of a second rounding; no net has such, but the format does */
#define POWER 30
#else
#define POWER 20
#endif

/* Of narrowed(): what it needs of four outputs, and it, on four sums at once. */
typedef struct {
  v128_t bias, by;
  v128_t power, most; /* of the second rounding, whose shift is s: 2**(POWER - s), 2**(s + 10) */
} four;

/* 2 to the powers, by way of the exponents of floats. */
static INLINED v128_t power_of(v128_t exponents) {
  return wasm_i32x4_trunc_sat_f32x4(wasm_i32x4_shl(wasm_i32x4_add(exponents, wasm_i32x4_splat(127)), 23));
}

static INLINED four four_of(const uint32_t *unit, const uint32_t *next) {
  const v128_t a = wasm_v128_load(unit), b = wasm_v128_load(next);
  four own;
  own.bias = wasm_i32x4_shuffle(a, b, 0, 2, 4, 6);
  own.by = wasm_u32x4_shr(wasm_i32x4_shuffle(a, b, 1, 3, 5, 7), 1);
  const v128_t shift = wasm_v128_and(own.by, wasm_i32x4_splat(31));
  own.power = power_of(wasm_i32x4_sub(wasm_i32x4_splat(POWER), shift));
  own.most = power_of(wasm_i32x4_add(wasm_i32x4_splat(10), shift));
  return own;
}

/* As 32 bits, of which the caller's narrowing to 8 keeps what halved() would. */
static INLINED v128_t four_narrowed(v128_t sum, four own, v128_t zero) {
  const v128_t half = wasm_i64x2_splat(0x40000000);
  v128_t low = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(sum, own.by), half);
  v128_t high = wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(sum, own.by), half);
  /* of what is shifted into the upper halves nothing is kept */
  v128_t x = wasm_i32x4_shuffle(wasm_u64x2_shr(low, 31), wasm_u64x2_shr(high, 31), 0, 2, 4, 6);
  x = wasm_i32x4_add(x, wasm_i32x4_shr(x, 31));
#if POWER > 20
  low = wasm_u64x2_shr(wasm_i64x2_extmul_low_i32x4(x, own.power), POWER);
  high = wasm_u64x2_shr(wasm_i64x2_extmul_high_i32x4(x, own.power), POWER);
  x = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
#else
  /* what is larger than 2**10 steps ends at 127 or -128 whatever it is */
  x = wasm_i32x4_max(wasm_i32x4_min(x, own.most), wasm_i32x4_neg(own.most));
  x = wasm_i32x4_shr(wasm_i32x4_mul(x, own.power), POWER);
#endif
  return wasm_i32x4_shr(wasm_i32x4_add(x, zero), 1);
}

static INLINED void put(int8_t *out, uint32_t bytes, int count) {
  if (count >= 4) __builtin_memcpy(out, &bytes, 4);
  else for (; count > 0; count--, bytes >>= 8) *out++ = (int8_t)(bytes & 255);
}
