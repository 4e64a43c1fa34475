/* Arm's instructions for two products or four bytes at once (ARMv6 and later), written as GCC takes them; memory
   must hold the low byte first. clang tells of them in the old 16 bit Thumb, too, which has none. */
#if defined(__ARM_FEATURE_SIMD32) && (!defined(__thumb__) || defined(__thumb2__)) && !defined(__ARM_BIG_ENDIAN) && defined(__GNUC__)
#define TWO_AT_ONCE 1
#else
#define TWO_AT_ONCE 0
#endif
/* Helium: sixteen bytes at once, in assembly and by the compiler's own names for its instructions. */
#if SPEED && TWO_AT_ONCE && defined(__ARM_FEATURE_MVE)
#define HELIUM 1
#include <arm_mve.h>
#else
#define HELIUM 0
#endif
/* Loops in assembly: for memory that may be read at any address; a second rounding by one bit alone is
   none of theirs. */
#if SPEED && SHIFTED && !HELIUM && TWO_AT_ONCE && defined(__thumb2__) && defined(__ARM_FEATURE_UNALIGNED)
#define TILED 1
#else
#define TILED 0
#endif
/* The same for cores whose only product is of 32 bits, while no sum leaves 30 bits (Cortex-M0, M0+, M1, M23). */
#if SHORT_SUMS && !defined(__ARM_BIG_ENDIAN) && defined(__GNUC__) && defined(__thumb__) && !defined(__thumb2__)
#define IN_HALVES 1
#else
#define IN_HALVES 0
#endif
/* Loops in assembly, which ARMv4T and ARMv5TE would not read. */
#if SPEED && IN_HALVES && __ARM_ARCH >= 6
#define THUMB 1
#else
#define THUMB 0
#endif
/* Cores that multiply 32 bits, without a second product beside it, and have registers enough (RISC-V). */
#if SPEED && QUICK_SUMS && defined(__GNUC__) && defined(__riscv_mul) && __riscv_xlen == 32 && !defined(__riscv_32e)
#define PACKED 1
#else
#define PACKED 0
#endif
/* Loops in C: where none in assembly takes their place. */
#define PLAIN_CONVOLVE (CONVOLVES && !TILED && !HELIUM && !THUMB && !PACKED)
#if TILED
#define PLAIN_FILTER OTHER_FILTERS
#elif THUMB
#define PLAIN_FILTER OTHER_THUMB_FILTERS
#elif PACKED
#define PLAIN_FILTER UNROLLED_FILTERS
#else
#define PLAIN_FILTER (FILTERS && !HELIUM)
#endif
#define FOURS_POOLED (POOLS && FOUR_POOLED && TWO_AT_ONCE && !HELIUM)
#define PADDED(span) (((span) + 3) & ~3) /* to whole words */

/* One row of a map at a time: a layer asks the one before it for the rows that its window lacks,
   computes one row and hands it on. Maps are therefore rings of a few rows, not whole pictures.
   Rounding: TFLite's double rounding; right shifts of negative numbers are arithmetic. */

enum { KINDS };

typedef struct {
  STRIDE kind, stride, padding;
  int8_t zero;    /* what stands for 0 in the map that the layer reads */
  small kernel;   /* rows of the window */
#if SLOTTED
  small slots;    /* rows in the ring */
#define SLOTS(own) (own)->slots
#else
#define SLOTS(own) (own)->kernel
#endif
#if OBLONG
  small across;   /* columns of the window */
  small beside;   /* columns of the border on either side; padding is above and below */
#define ACROSS(own) (own)->across
#define BESIDE(own) (own)->beside
#else
#define ACROSS(own) (own)->kernel
#define BESIDE(own) (own)->padding
#endif
  small first;    /* rows read before the first can be written; then stride more for each */
  small height, width, channels; /* of the map that the layer reads */
  offset row_size; /* of the ring, border included */
  offset map;     /* of the ring, in the arena */
  offset weight;  /* in weights; of the sums in the arena; of the inner layers in layers */
  offset unit;    /* in units */
} layer;

typedef struct {
  int row, filled, slot; /* rows written, rows in the ring so far, place of the next */
} progress;

/* Kernels find the memory behind the rows that they read. */
#define MEMORY(rows) (rows)[WINDOW]
#define WORDS(rows) ((int32_t *)(void *)(rows)[WINDOW])

UPPER_REQUIRE((-1 >> 1) == -1, NAME_shifts_negative_numbers_arithmetically, "right shifts of negative numbers must keep the sign");
UPPER_REQUIRE(sizeof(layer) == LAYER_BYTES, NAME_packs_its_table_as_counted, "a line of the table of layers must have the bytes counted by the exporter");
#if TWO_AT_ONCE && defined(__BYTE_ORDER__)
UPPER_REQUIRE(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, NAME_needs_the_low_byte_first, "memory must hold the low byte first");
#endif

#if defined(__GNUC__)
#define WORD_ALIGNED __attribute__((aligned(4)))
#define SMALL __attribute__((cold, noinline)) /* small rather than fast: little time goes there */
#define KEEP_LOOP __asm__ volatile("" ::: "memory") /* or it becomes a call of memset */
#if defined(__clang__)
#define UNROLL_FOURS
#else
#define UNROLL_FOURS _Pragma("GCC unroll 4")
#endif
#define INLINED __attribute__((always_inline)) inline /* so that each kernel's size is a constant */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#else
#define WORD_ALIGNED
#define UNROLL
#define UNROLL_FOURS
#define INLINED inline
#define SMALL
#define KEEP_LOOP
#endif
