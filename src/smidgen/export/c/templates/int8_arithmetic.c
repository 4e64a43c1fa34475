#if TWO_AT_ONCE || BLUR_FOURS
static inline uint32_t word(const int8_t *p) {
  return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8 | (uint32_t)(uint8_t)p[2] << 16 | (uint32_t)(uint8_t)p[3] << 24;
}
#endif

#if FOURS_POOLED
static inline uint32_t larger(uint32_t a, uint32_t b) { __asm__("ssub8 r12, %0, %1\n\tsel %0, %0, %1" : "+r"(a) : "r"(b) : "r12"); return a; }
#endif

#if TWO_AT_ONCE && (PLAIN_CONVOLVE || PLAIN_FILTER)
static inline uint32_t even(uint32_t w) { uint32_t r; __asm__ volatile("sxtb16 %0, %1" : "=r"(r) : "r"(w)); return r; }
static inline uint32_t odd(uint32_t w) { uint32_t r; __asm__ volatile("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(w)); return r; }
#if PLAIN_CONVOLVE
static inline int32_t both(uint32_t a, uint32_t b, int32_t sum) { __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
#endif
#if PLAIN_FILTER
static inline int32_t lower(uint32_t a, uint32_t b, int32_t sum) { __asm__ volatile("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
static inline int32_t upper(uint32_t a, uint32_t b, int32_t sum) { __asm__ volatile("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b)); return sum; }
#endif
#endif

#if NARROWS || PLAIN_CONVOLVE || PLAIN_FILTER
#if TWO_AT_ONCE
static inline int32_t halved(int32_t x) { int32_t r; __asm__("ssat %0, #8, %1, asr #1" : "=r"(r) : "r"(x)); return r; }
/* by is 2**31 or more, so as a signed number 2**32 too small: the sum itself makes up for it */
static inline int32_t scaled(int32_t sum, uint32_t by) { int32_t r; __asm__("smmlar %0, %1, %2, %1" : "=r"(r) : "r"(sum), "r"(by)); return r; }
#else
static inline int32_t halved(int32_t x) { x >>= 1; return x < -128 ? -128 : x > 127 ? 127 : x; }
#if IN_HALVES /* where a product of 64 bits would be a call */
static inline int32_t scaled(int32_t sum, uint32_t by) {
  const int32_t low = (int16_t)sum, high = (sum - low) >> 16, least = (int32_t)(by >> 1 & 0xFFFF), most = (int32_t)(by >> 17);
  return 2 * high * most + ((high * least + low * most + ((low * least) >> 16) + 0x4000) >> 15);
}
#else
/* here too by is 2**32 too small, or 0, which stands for 1; what is added last rounds */
static inline int32_t scaled(int32_t sum, uint32_t by) {
  const int64_t product = (int64_t)sum * (int32_t)by;
  return sum + (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
}
#endif
#endif

/* The sum in steps of the map it goes to: by is in 2**-32, its bits 1 to 5 are the second
   rounding's shift less 1; zero is twice the zero point plus 1, the half that rounds. */
static inline int8_t narrowed(int32_t sum, uint32_t by, int32_t zero) {
  int32_t x = scaled(sum, by);
  x += x >> 31;
  return (int8_t)halved((x >> (by >> 1 & 31)) + zero);
}
#endif

#if THUMB
/* The same of r0: least and most 16 bits of by in r4 and r5, shift in r6, zero in r7, 1 << 14 in r12. */
#if RELU /* what is negative ends at -128 however it is rounded */
#define AWAY
#else
#define AWAY "asrs r1,r0,#31\nadds r0,r1\n"
#endif
#define NARROW(label) \
  "sxth r1,r0\nsubs r0,r1\nasrs r0,#16\nmov r2,r1\nmuls r2,r4\nasrs r2,#16\nadd r2,r12\nmuls r1,r5\nadds r2,r1\n" \
  "mov r1,r0\nmuls r1,r4\nadds r2,r1\nmuls r0,r5\nlsls r0,#1\nasrs r2,#15\nadds r0,r2\n" AWAY \
  "asrs r0,r6\nadds r0,r7\nasrs r0,#1\nsxtb r1,r0\ncmp r0,r1\nbeq " label "f\nasrs r0,#31\nmovs r1,#127\neors r0,r1\n" label ":\n"
#endif

#if TILED
/* The same in assembly: of a register; by, 2**(31 - shift) and the zero point in registers. The second
   rounding is a product as well, which also adds the zero point. */
#if RELU /* what is negative ends at -128 however it is rounded */
#define AWAY(x)
#else
#define AWAY(x) "add " x ", " x ", " x ", asr #31\n\t"
#endif
#define NARROW(x, by, power, zero) \
  "smmlar " x ", " x ", " by ", " x "\n\t" AWAY(x) "smmlar " x ", " x ", " power ", " zero "\n\tssat " x ", #8, " x "\n\t"
#endif
