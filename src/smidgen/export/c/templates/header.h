/* SPDX-License-Identifier: 0BSD
   This file was generated; it belongs to whoever generated it. */
#if !defined(UPPER_H)
#define UPPER_H
#define UPPER_MADE_OF_<MADE_OF> 1
/* <TITLE>, <NUMBERS>.
   Tables: <TABLE_BYTES> bytes. Memory: <ARENA_BYTES> bytes, and of stack <STACK>. */
#include <stdint.h>

#define UPPER_HEIGHT <HEIGHT>
#define UPPER_WIDTH <WIDTH>
#define UPPER_CHANNELS <CHANNELS>
#define UPPER_PIXELS <PIXELS> /* bytes of a picture, 0 to 255 each */
#define UPPER_CLASSES <CLASSES>
#if defined(__ARM_FEATURE_MVE) /* whose loads reach a little further */
#define UPPER_MEMORY_BYTES <HELIUM_BYTES>
#else
#define UPPER_MEMORY_BYTES <ARENA_BYTES>
#endif
<WORTH>/* 0 leaves out the call that brings its own memory; the same for the header and the source. */
#if !defined(UPPER_STATIC_MEMORY)
#define UPPER_STATIC_MEMORY 1
#endif

/* A sentence for the compiler, where what it says does not hold. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define UPPER_REQUIRE(holds, name, sentence) static_assert(holds, sentence)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define UPPER_REQUIRE(holds, name, sentence) _Static_assert(holds, sentence)
#else
#define UPPER_REQUIRE(holds, name, sentence) struct name { char name[(holds) ? 1 : -1]; } /* a type: none is unused */
#endif
UPPER_REQUIRE(sizeof(int) >= 4, NAME_needs_an_int_of_32_bits, "int must have 32 bits or more");

#if defined(__cplusplus)
extern "C" {
#endif

/* Returns a row of the picture: UPPER_WIDTH pixels, the channels of each together. Rows are asked
   for once each, from the first to the last; what is returned must stay until the next call. */
typedef const uint8_t *NAME_source(void *context, int row);

#if UPPER_STATIC_MEMORY
/* Takes all pixels, UPPER_PIXELS bytes row by row, and writes UPPER_CLASSES logits; its memory is
   static, so one call at a time. */
void NAME(const uint8_t *pixels, <KIND> *logits);
#endif

/* The same in the caller's memory: UPPER_MEMORY_BYTES bytes, which begin at a multiple of 4. */
void NAME_in(void *memory, const uint8_t *pixels, <KIND> *logits);

/* The same without all pixels in memory: context is handed to the source. */
void NAME_rows(void *memory, NAME_source *source, void *context, <KIND> *logits);

#if defined(__cplusplus)
}
#endif

#if defined(__cplusplus) && defined(__GNUC__) /* what is C as well casts as C does */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

/* Returns the place of the largest logit: the answer. */
static inline int NAME_argmax(const <KIND> *logits) {
  int best = 0;
  for (int k = 1; k < UPPER_CLASSES; k++) {
    if (logits[k] > logits[best]) best = k;
  }
  return best;
}
<PROBABILITIES>
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#elif !defined(UPPER_MADE_OF_<MADE_OF>)
#error "two nets are called NAME: export one of them with another --name"
#endif
