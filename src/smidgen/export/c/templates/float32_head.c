/* Maps are rows of channels of columns: a row of one channel is contiguous, begins at a multiple of
   16 and is filled with zeros behind its last column; so the border is there when a window asks. */
#if defined(LANES_CHOSEN) /* by whoever compiles this, as LANES */
#define LANES LANES_CHOSEN
#elif defined(__GNUC__) && defined(__AVX512F__)
#define LANES 16
#elif defined(__GNUC__) && defined(__AVX__)
#define LANES 8
#elif defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__))
#define LANES 4
#else
#define LANES 1
#endif

#if defined(__GNUC__)
#define RESTRICT __restrict
#define INLINED __attribute__((unused)) inline /* a net may need none of them */
#define ALIGNED __attribute__((aligned(64)))
#else
#define RESTRICT
#define INLINED inline
#define ALIGNED
#endif

#if LANES > 1
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t bits __attribute__((vector_size(4 * LANES)));
typedef float loose_vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t loose_bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
INLINED static vec load(const float *p) { return *(const loose_vec *)p; }
INLINED static void store(float *p, vec v) { *(loose_vec *)p = v; }
INLINED static vec filled(float one) { const vec none = {0}; return one - none; }
#if defined(__AVX512F__) && LANES == 16 /* compilers make two instructions of a comparison */
INLINED static vec larger(vec a, vec b) {
  __asm__("vmaxps %2, %1, %0" : "=v"(a) : "v"(a), "v"(b));
  return a;
}
#else
INLINED static vec larger(vec a, vec b) { return (vec)(((bits)a & (a > b)) | ((bits)b & ~(a > b))); }
#endif
INLINED static vec positive(vec v) { const vec none = {0}; return larger(v, none); }
INLINED static vec within(vec v, const int32_t *mask) { return (vec)((bits)v & *(const loose_bits *)mask); }
#else
typedef float vec;
INLINED static vec load(const float *p) { return *p; }
INLINED static void store(float *p, vec v) { *p = v; }
INLINED static vec filled(float one) { return one; }
INLINED static vec positive(vec v) { return v > 0 ? v : 0; }
INLINED static vec within(vec v, const int32_t *mask) { return *mask ? v : 0; }
#endif

#if LANES == 16 && (defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12))
#define SHIFTS 1
/* b, one column later or sooner, its neighbour moving in */
INLINED static vec later(vec a, vec b) {
  return __builtin_shufflevector(a, b, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}
INLINED static vec sooner(vec a, vec b) {
  return __builtin_shufflevector(a, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}
/* the larger of every two columns of a and b */
INLINED static vec halved(vec a, vec b) {
  return larger(
      __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
      __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
}
#else
#define SHIFTS 0
#endif

