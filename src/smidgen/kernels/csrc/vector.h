/* Vectors of float32, bfloat16 loads and stores, and the dot product the matrix kernels are written in.
 *
 * Compiled once per instruction set. The including file defines
 *   LANES      float32 values in a vector: 16 (AVX-512), 8 (AVX2), 4 (portable; on 64-bit Arm this is Neon)
 *   BFLOAT16   1 when tensors hold bfloat16, 0 when they hold float32
 *   PAIRED     1 when matrix products take pairs of bfloat16 (AVX-512 BF16, AMX), 0 when they take float32
 *   AMX        1 when matrix products run on tiles (amx.h) instead of vectors
 *   SUFFIX     appended to every exported name
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if LANES > 4
#include <immintrin.h>
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define EXPORT(name) JOIN(name, SUFFIX)
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));

/* Value: what tensors hold. Item: what matrix products read. Unit: 32 bits, one float32 or a pair of bfloat16. */
typedef uint32_t Unit;
#if BFLOAT16
typedef uint16_t Value;
#else
typedef float Value;
#endif
#if PAIRED
typedef uint16_t Item;
enum { PAIR = 2 };
#else
typedef float Item;
enum { PAIR = 1 };
#endif

typedef int64_t Int;

INLINE vf splat(float value) { return value - (vf){}; }
INLINE vf choose(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }
/* Like torch, a NaN is kept: it is not below zero. */
INLINE vf relu(vf v) { return choose(v < 0.0f, (vf){}, v); }
/* Like torch, a NaN in either place wins. */
INLINE vf larger(vf a, vf b) { return choose((a > b) | (a != a), a, b); }

INLINE vf load_f32(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store_f32(float *p, vf v) { memcpy(p, &v, sizeof v); }

/* Compilers widen in halves and join them: several instructions where there is one. */
INLINE vu widen_bits(vh h) {
#if LANES == 16
    return (vu)_mm512_cvtepu16_epi32((__m256i)h);
#elif LANES == 8
    return (vu)_mm256_cvtepu16_epi32((__m128i)h);
#else
    return __builtin_convertvector(h, vu);
#endif
}
INLINE vf widen(vh h) { return (vf)(widen_bits(h) << 16); }
INLINE vf load_bf16(const uint16_t *p) {
    vh h;
    memcpy(&h, p, sizeof h);
    return widen(h);
}
INLINE vh narrow(vf v) { /* round to nearest even; a NaN stays one */
#if PAIRED && LANES == 16
    return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
    vu bits = (vu)v;
    vu rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    vi nan = v != v;
    rounded = ((vu)nan & ((bits >> 16) | 0x40u)) | (~(vu)nan & rounded);
    return __builtin_convertvector(rounded, vh);
#endif
}
INLINE void store_bf16(uint16_t *p, vf v) {
    vh h = narrow(v);
    memcpy(p, &h, sizeof h);
}

/* The first n of a vector, the rest zero; n < LANES. */
#if LANES == 16
INLINE vf load_f32_n(const float *p, int n) { return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void store_f32_n(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
INLINE vf load_bf16_n(const uint16_t *p, int n) {
    return widen((vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
}
INLINE void store_bf16_n(uint16_t *p, vf v, int n) {
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)narrow(v));
}
#else
#if LANES == 8 /* in pieces of four, two and one: a copy through memory would wait for what was just stored */
INLINE vf load_f32_n(const float *p, int n) {
    static const int32_t kept[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return (vf)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(kept + LANES - n)));
}
INLINE void store_f32_n(float *p, vf v, int n) {
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (n & 4) _mm_storeu_ps(p, rest), rest = _mm256_extractf128_ps((__m256)v, 1), p += 4;
    if (n & 2) _mm_storel_pi((__m64 *)p, rest), rest = _mm_movehl_ps(rest, rest), p += 2;
    if (n & 1) _mm_store_ss(p, rest);
}
#else
INLINE vf load_f32_n(const float *p, int n) {
    vf v = {};
    memcpy(&v, p, sizeof(float) * (size_t)n);
    return v;
}
INLINE void store_f32_n(float *p, vf v, int n) { memcpy(p, &v, sizeof(float) * (size_t)n); }
#endif
INLINE vf load_bf16_n(const uint16_t *p, int n) {
    vh h = {};
    memcpy(&h, p, sizeof(uint16_t) * (size_t)n);
    return widen(h);
}
INLINE void store_bf16_n(uint16_t *p, vf v, int n) {
    vh h = narrow(v);
    memcpy(p, &h, sizeof(uint16_t) * (size_t)n);
}
#endif

/* One name for both kinds of memory; the compiler knows the type of the pointer. */
#define LOAD(p) _Generic((p), uint16_t *: load_bf16, const uint16_t *: load_bf16, float *: load_f32, const float *: load_f32)(p)
#define LOAD_N(p, n) \
    _Generic((p), uint16_t *: load_bf16_n, const uint16_t *: load_bf16_n, float *: load_f32_n, const float *: load_f32_n)(p, n)
#define STORE(p, v) _Generic((p), uint16_t *: store_bf16, float *: store_f32)(p, v)
#define STORE_N(p, v, n) _Generic((p), uint16_t *: store_bf16_n, float *: store_f32_n)(p, v, n)

/* As many of a vector as there are, n or all. */
INLINE vf load_some(const Value *p, Int n) { return n >= LANES ? LOAD(p) : LOAD_N(p, (int)n); }
INLINE void store_some(Value *to, vf v, Int n) {
    if (n >= LANES) STORE(to, v);
    else STORE_N(to, v, (int)n);
}

#if !AMX
/* One unit that multiplies a whole vector. Neon's product takes it from a lane, but compilers copy a unit with several uses
 * to all lanes first, which is half as many instructions again. */
#if defined(__aarch64__)
typedef float Each;
INLINE Each splat_unit(const void *p) {
    Each unit;
    memcpy(&unit, p, sizeof unit);
    return unit;
}
#else
typedef vu Each;
INLINE Each splat_unit(const void *p) {
    Unit u;
    memcpy(&u, p, sizeof u);
    return u - (vu){};
}
#endif
/* sum + x * w: of one product in float32, or of two products of bfloat16 in float32. */
INLINE vf dot(vf sum, Each x, vu w) {
#if PAIRED
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
#elif defined(__aarch64__)
    __asm__("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(sum) : "w"(w), "w"(x));
    return sum;
#else
    return sum + (vf)x * (vf)w;
#endif
}
#endif
INLINE vu load_units(const Unit *p) {
    vu v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE Int smaller(Int a, Int b) { return a < b ? a : b; }
/* Where vector k / LANES of a pixel's channels begins, of which there are LANES at least: where they do not fill vectors, the
 * last one takes some of the one before again. */
INLINE Int whole_vector(Int k, Int channels) { return smaller(k, channels - LANES); }
/* One from a lane on, zero before. */
INLINE vf from_lane(Int first) {
    float lanes[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = l >= first;
    return load_f32(lanes);
}
INLINE Int up(Int n, Int step) { return (n + step - 1) / step * step; }

/* Some of maps, or none where there are none. */
INLINE const Value *of_image(const Value *maps, Int from) { return maps ? maps + from : NULL; }
INLINE Value *of_image_to(Value *maps, Int from) { return maps ? maps + from : NULL; }
/* Pixels of a side that lie `stride` apart, from the first one on. */
INLINE Int at_stride(Int side, Int stride) { return (side + stride - 1) / stride; }

/* What is read next, fetched into the cache line by line while products are computed from it. */
enum { STREAMS = 4 };
typedef struct {
    const char *from[STREAMS], *to[STREAMS];
} Ahead;
INLINE void fetch(Ahead *a) {
    if (a == NULL) return;
    for (int k = 0; k < STREAMS; k++)
        if (a->from[k] < a->to[k]) {
            for (int line = 0; line < 8; line++) __builtin_prefetch(a->from[k] + 64 * line, 0, 2);
            a->from[k] += 8 * 64;
        }
}
INLINE void look_ahead(Ahead *a, int place, const void *from, Int bytes) {
    a->from[place] = from, a->to[place] = a->from[place] + bytes;
}

/* Memory of a call, from memory.c: opened once, then taken piece by piece. Vectors may read past the end of a piece. */
void smidgen_memory_open(void);
void *smidgen_memory_take(int64_t count, size_t item);
#define TAKE(type, count) ((type *)smidgen_memory_take(count, sizeof(type)))
#define TAKE_ZERO(type, count) ((type *)memset(TAKE(type, count), 0, sizeof(type) * (size_t)(count)))
