/* SPDX-License-Identifier: 0BSD */
/* A frame as a camera gives it: RGB565 with the high byte first, <ROWS> rows of <COLUMNS> pixels,
   made of a test picture. NAME must answer class <ANSWER>. */
#define FRAME_HEIGHT <ROWS>
#define FRAME_WIDTH <COLUMNS>
#define FRAME_ANSWER <ANSWER>
static const uint8_t frame[] = {
<BYTES>
};
