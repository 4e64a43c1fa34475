/* SPDX-License-Identifier: 0BSD */
#ifndef UPPER_SELF_TEST_H
#define UPPER_SELF_TEST_H
/* <COUNT> pictures of the test part, and what NAME answers on the computer that exported it. */
#include "NAME.h"

#define UPPER_SELF_TEST_PICTURES <COUNT>
#define UPPER_SELF_TEST_LINE 48 /* bytes that hold the line below */

#if defined(__cplusplus)
extern "C" {
#endif

/* Runs the net on all of them, in UPPER_MEMORY_BYTES bytes of the caller's that begin at a multiple
   of 4. Returns how many it answers as it must, <HOW>, and writes a line:
   "smidgen self-test: <COUNT> of <COUNT>". */
int NAME_self_test(void *memory, char *line);

/* The pixels of one of them, and the class that NAME must answer. */
const uint8_t *NAME_test_picture(int place);
int NAME_test_answer(int place);

#if defined(__cplusplus)
}
#endif

#endif
