/* SPDX-License-Identifier: 0BSD */
#ifndef UPPER_SERVE_H
#define UPPER_SERVE_H
/* NAME asked over a serial line by `smidgen verify --port`: a picture comes, its logits go back. */
#include "NAME.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* A line of bytes, as a UART or USB has one; context is handed to each function. */
typedef struct {
  int (*read)(void *context); /* the next byte, 0 to 255; below 0 if none came for a second or so */
  void (*write)(void *context, const uint8_t *bytes, int count);
  uint32_t (*microseconds)(void *context); /* of a clock that begins anew after 2^32; 0 if there is none */
  void *context;
} NAME_serve_line;

/* Waits for one question and answers it. Returns 1 if it was a picture, 0 if it was none, came
   damaged or did not come. Call it again and again, and write nothing else to the line. Memory is as
   for NAME_in, pixels UPPER_PIXELS bytes and logits UPPER_CLASSES numbers; nothing is kept between
   two calls.

   A question and an answer are a frame: the bytes A5 53 47 31, a letter, the length of what it holds
   (4 bytes), that, and its CRC-32 (as of zip; 4 bytes), which is of letter, length and content. Numbers
   have their low byte first.
     H nothing               h the 12 letters of UPPER_MADE_OF, pixels (4), classes (4), i or f for
                               int32 or float32, and the name of the net
     P a number (4), pixels  p that number, microseconds (4; all ones if unknown), logits (4 each)
                             e a letter: c the CRC is another, l the length is, t it broke off,
                               k the letter is unknown */
int NAME_serve(const NAME_serve_line *line, void *memory, uint8_t *pixels, <KIND> *logits);

#if defined(__cplusplus)
}
#endif

#endif
