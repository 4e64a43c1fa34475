/* Maps are rows of pixels, the channels of each together and padded to sixteens; a number of the map
   is an unsigned byte, 128 more than the int8 that it stands for. Borders are written once a map is
   complete, over what whole vectors have written beyond its rows.
   Rounding: TFLite's double rounding; right shifts of negative numbers are arithmetic. */
#include <string.h>

/* The most that this machine may be asked for: 0 is plain C, 1 AVX2 or Neon, 2 AVX-VNNI or Neon's
   dot product, 3 AVX-512 VNNI, 4 AMX. What the processor has is found out when the net is called. */
#if !defined(UPPER_SIMD)
#define UPPER_SIMD 4
#endif
#if defined(__clang__) ? __clang_major__ >= 12 : defined(__GNUC__) && __GNUC__ >= 11
#define KNOWN 1
#else
#define KNOWN 0
#endif
#if UPPER_SIMD && KNOWN && defined(__x86_64__) && !defined(_WIN32)
#define OF_X86 1
#if !defined(__clang__) /* GCC 12 as C++ warns of what its own header leaves undefined on purpose */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#else
#define OF_X86 0
#endif
#if UPPER_SIMD && KNOWN && defined(__aarch64__) && !defined(__AARCH64EB__)
#define OF_ARM 1
#include <arm_neon.h>
#else
#define OF_ARM 0
#endif

enum { KINDS };
/* Numbers of sixteen outputs: biases, factors, biases for signed bytes, and lines in float32 which round
   as the factors do: slopes, and what is added where a sum is 0 or more, and where it is less. */
#define UNIT 96
#define FACTOR 16
#define SLOPE 48
#define ABOVE 64
#define BELOW 80

enum { CONSTANT, MIRRORED, BY_CHANNEL };

typedef struct {
  int32_t kind;
  int32_t from, row, pitch;             /* the first window, in the arena, and bytes between rows and pixels */
  int32_t to, to_row, to_pitch;         /* likewise, of what is written */
  int32_t beside, beside_row;           /* likewise, of a second map: gates, or what is added */
  int32_t height, width;                /* of what is written */
  int32_t seen_height, seen_width, channels; /* of what is read */
  int32_t kernel, across, stride;       /* rows and columns of the window */
  int32_t blocks;                       /* of sixteen channels */
  int32_t steps, places;                /* fours of bytes in a window, and where each of them lies */
  int32_t weight, unit;
  int32_t zero, relu;                   /* twice the zero point and 1, the half that rounds; whether it is -128 */
  int32_t quick;                        /* whether there are such lines */
  int32_t shift;                        /* of sums that are rounded once, or 0 */
  int32_t by_rows;                      /* of a filter: whether a step is a row of the window */
  int32_t chunk;                        /* steps in a tile's row, or 0 */
  int32_t own_zero, beside_zero, own_by, beside_by;            /* of two maps that are added; a multiplier of 0 stands for a half */
  int32_t border, fill, value;          /* pixels around what is written, how they are filled, and with what */
} layer;

UPPER_REQUIRE((-1 >> 1) == -1, NAME_shifts_negative_numbers_arithmetically, "right shifts of negative numbers must keep the sign");

#if defined(__GNUC__)
#define INLINED __attribute__((always_inline, unused)) inline /* so that what a loop counts to is constant */
#define ALIGNED __attribute__((aligned(64)))
#else
#define INLINED inline
#define ALIGNED
#endif
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 64")
#else
#define UNROLL
#endif
