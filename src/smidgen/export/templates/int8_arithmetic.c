#if defined(__ARM_FEATURE_DSP)
static inline uint32_t word(const int8_t *p) { uint32_t w; __builtin_memcpy(&w, p, 4); return w; }
static inline uint32_t even(uint32_t w) { uint32_t r; __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(w)); return r; }
static inline uint32_t odd(uint32_t w) { uint32_t r; __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(w)); return r; }
static inline int32_t both(uint32_t a, uint32_t b, int32_t sum) { __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
static inline int32_t lower(uint32_t a, uint32_t b, int32_t sum) { __asm__("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
static inline int32_t upper(uint32_t a, uint32_t b, int32_t sum) { __asm__("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
static inline int32_t scaled(int32_t sum, int32_t by) { int32_t r; __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(sum + sum), "r"(by)); return r; }
static inline int8_t halved(int32_t x) { int32_t r; __asm__("ssat %0, #8, %1, asr #1" : "=r"(r) : "r"(x)); return (int8_t)r; }
#else
static inline int32_t scaled(int32_t sum, int32_t by) { return (int32_t)(((int64_t)sum * by + 0x40000000) >> 31); }
static inline int8_t halved(int32_t x) { x >>= 1; return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x); }
#endif

/* The sum in steps of the map it goes to; shift is one less than the second rounding's,
   zero twice the zero point plus 1: the half that rounds. */
static inline int8_t narrowed(int32_t sum, int32_t multiplier, int shift, int32_t zero) {
  int32_t x = scaled(sum, multiplier);
  x += x >> 31;
  return halved((x >> shift) + zero);
}
