/* SPDX-License-Identifier: 0BSD */
/* A window of values as they are measured, <ROWS> rows of <COLUMNS> pixels of <CHANNELS>, made of a
   test picture. NAME must answer class <ANSWER>. */
#define WINDOW_ANSWER <ANSWER>
static const float values[] = {
<FLOATS>
};
