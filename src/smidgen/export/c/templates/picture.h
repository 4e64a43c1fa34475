#ifndef UPPER_PICTURE_H
#define UPPER_PICTURE_H
/* From a picture of any size to the pixels that NAME takes: TEXT.
   In integers, row after row, so that the bits are those of training; it needs no more memory
   than a row of the result. A side of the picture times that of the result is below 2^30. */
#include "NAME.h"

/* Where the pixels begin that become pixel i, of size pixels that become to. */
static inline uint32_t NAME_from(uint32_t i, uint32_t size, uint32_t to) {
  return size > to ? (2 * i * size + to) / (2 * to) : (2 * i * size + size) / (2 * to);
}

static inline uint32_t NAME_until(uint32_t i, uint32_t size, uint32_t to) {
  return size > to ? NAME_from(i + 1, size, to) : NAME_from(i, size, to) + 1;
}

static inline uint8_t NAME_mean(uint32_t sum, uint32_t count) {
  const uint32_t share = ((1u << 23) / count + 1) / 2; /* 2^22 / count, rounded */
  return (uint8_t)((sum * share + (1u << 21)) >> 22);
}

static inline uint32_t NAME_value(const uint8_t *pixel, uint32_t channels, uint32_t channel) {
  if (UPPER_CHANNELS == 1 && channels == 3)
    return (19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 32768u) >> 16;
  return pixel[channels == 1 ? 0 : channel];
}

/* Takes height rows of width pixels of 1 or UPPER_CHANNELS bytes, or of 3 to make grey of. */
static inline void NAME_picture(const uint8_t *picture, uint32_t height, uint32_t width,
                                uint32_t channels, uint8_t *pixels) {
  uint32_t top = 0, left = 0, tall = height, wide = width; /* of the picture */
  uint32_t above = 0, before = 0, rows = UPPER_HEIGHT, columns = UPPER_WIDTH; /* of the result */
  if (UPPER_FIT == UPPER_FIT_CROP && (height != rows || width != columns)) {
    const uint32_t most_tall = (2 * width * rows + columns) / (2 * columns);
    const uint32_t most_wide = (2 * height * columns + rows) / (2 * rows);
    tall = most_tall < 1 ? 1 : most_tall < height ? most_tall : height;
    wide = most_wide < 1 ? 1 : most_wide < width ? most_wide : width;
    top = (height - tall) / 2;
    left = (width - wide) / 2;
  }
  if (UPPER_FIT == UPPER_FIT_PAD && (height != rows || width != columns)) {
    const uint32_t most_rows = (2 * height * UPPER_WIDTH + width) / (2 * width);
    const uint32_t most_columns = (2 * width * UPPER_HEIGHT + height) / (2 * height);
    rows = most_rows < 1 ? 1 : most_rows < UPPER_HEIGHT ? most_rows : UPPER_HEIGHT;
    columns = most_columns < 1 ? 1 : most_columns < UPPER_WIDTH ? most_columns : UPPER_WIDTH;
    above = (UPPER_HEIGHT - rows) / 2;
    before = (UPPER_WIDTH - columns) / 2;
    for (uint32_t i = 0; i < UPPER_PIXELS; i++) pixels[i] = UPPER_BACKGROUND;
  }
  for (uint32_t i = 0; i < rows; i++) {
    uint32_t sums[UPPER_WIDTH * UPPER_CHANNELS] = {0};
    const uint32_t first = NAME_from(i, tall, rows), last = NAME_until(i, tall, rows);
    for (uint32_t y = first; y < last; y++) {
      const uint8_t *row = picture + ((top + y) * width + left) * channels;
      for (uint32_t j = 0; j < columns; j++) {
        const uint32_t start = NAME_from(j, wide, columns), end = NAME_until(j, wide, columns);
        for (uint32_t c = 0; c < UPPER_CHANNELS; c++) {
          uint32_t sum = 0;
          for (uint32_t x = start; x < end; x++) sum += NAME_value(row + x * channels, channels, c);
          sums[j * UPPER_CHANNELS + c] += NAME_mean(sum, end - start);
        }
      }
    }
    uint8_t *out = pixels + ((above + i) * UPPER_WIDTH + before) * UPPER_CHANNELS;
    for (uint32_t k = 0; k < columns * UPPER_CHANNELS; k++) out[k] = NAME_mean(sums[k], last - first);
  }
}

#endif
