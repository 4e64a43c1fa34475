/* SPDX-License-Identifier: 0BSD */
#ifndef UPPER_PICTURE_H
#define UPPER_PICTURE_H
/* From a picture or a camera's frame of any size to the rows that NAME takes: <TEXT>.
   In integers, row after row, so that the bits are those of training; it needs no more memory
   than a row of the result. A side of the picture times that of the result is below 2^30. */
#include "NAME.h"

#if defined(__cplusplus) && defined(__GNUC__) /* what is C as well casts as C does */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

/* How the pixels of a frame lie. A net of grey takes Y of YUV, else the grey of red, green and
   blue; a net of channels or of measured values takes UPPER_FRAME_CHANNELS alone. */
#define UPPER_FRAME_GREY 0 /* a byte a pixel */
#define UPPER_FRAME_RGB888 1 /* red, green, blue: red comes first in memory */
#define UPPER_FRAME_RGB565_LE 2 /* 16 bits, the low byte first */
#define UPPER_FRAME_RGB565_BE 3 /* the high byte first, as most camera modules send it */
#define UPPER_FRAME_YUYV 4 /* Y U Y V for two pixels, 0 to 255 each as in JPEG */
#define UPPER_FRAME_UYVY 5 /* U Y V Y */
#define UPPER_FRAME_CHANNELS 6 /* no camera's: UPPER_CHANNELS bytes a pixel, taken as they are */
#define UPPER_FRAME_BGR888 7 /* blue comes first, as in OpenCV and esp32-camera's RGB888 */
#define UPPER_FRAME_RGBX8888 8 /* red, green, blue and a byte that is passed over */
#define UPPER_FRAME_BGRX8888 9
#define UPPER_FRAME_BYTES(format) \
  ((format) == UPPER_FRAME_CHANNELS ? UPPER_CHANNELS + 0u : (format) == UPPER_FRAME_GREY ? 1u \
   : (format) == UPPER_FRAME_RGB888 || (format) == UPPER_FRAME_BGR888 ? 3u : (format) > UPPER_FRAME_BGR888 ? 4u : 2u)
/* Whether pixels are the bytes of an array, and no colours. */
#define UPPER_FRAME_OF_ARRAYS (UPPER_COLOR == UPPER_COLOR_CHANNELS || UPPER_MEASURED)
/* What a picture is fitted to, before rows and columns are exchanged. */
#define UPPER_FITTED_ROWS (UPPER_TURNED ? UPPER_WIDTH : UPPER_HEIGHT)
#define UPPER_FITTED_COLUMNS (UPPER_TURNED ? UPPER_HEIGHT : UPPER_WIDTH)
#define UPPER_FRAME_TAKEN(format) \
  (UPPER_FRAME_OF_ARRAYS ? (format) == UPPER_FRAME_CHANNELS : (format) != UPPER_FRAME_CHANNELS && (format) + 0u <= UPPER_FRAME_BGRX8888)
/* Whether two pixels share U and V throughout. */
#define UPPER_FRAME_PAIRED(format, width) (((format) != UPPER_FRAME_YUYV && (format) != UPPER_FRAME_UYVY) || (width) % 2 == 0)
/* Whether the sums of a picture fit 32 bits. */
#define UPPER_FRAME_SIZED(height, width) \
  (((height) + 0ull) * UPPER_FITTED_ROWS < 1u << 30 && ((width) + 0ull) * UPPER_FITTED_COLUMNS < 1u << 30)

typedef struct {
  const uint8_t *bytes; /* of the frame, from its first row on */
  uint32_t format, stride; /* bytes from a row to the next */
  uint32_t top, left, height, width; /* the part of it that is looked at */
  uint8_t row[UPPER_WIDTH * UPPER_CHANNELS]; /* the last that was made of it */
} NAME_frame;

/* Makes a frame of a camera known, or says at compile time why it cannot be one:

     UPPER_FRAME(camera, UPPER_FRAME_RGB565_BE, 240, 320, 640); height, width, bytes from row to row
     camera.bytes = what the camera filled;
     NAME_rows(memory, NAME_frame_row, &camera, logits); */
#define UPPER_FRAME(name, format, height, width, stride) \
  UPPER_FRAME_PART(name, format, height, width, stride, 0, 0, height, width)

/* The same of a part: top and left are what is left out of it, then its height and width. */
#define UPPER_FRAME_PART(name, format, all_rows, all_columns, stride, top, left, height, width) \
  UPPER_REQUIRE(UPPER_FRAME_TAKEN(format), name##_has_a_format_that_the_net_does_not_take, \
                "the format must be one of UPPER_FRAME_..., and one that the net takes"); \
  UPPER_REQUIRE((stride) + 0ull >= ((all_columns) + 0ull) * UPPER_FRAME_BYTES(format), name##_has_a_stride_below_the_bytes_of_a_row, \
                "the stride must be at least the bytes of a row: its pixels times the bytes of each"); \
  UPPER_REQUIRE(UPPER_FRAME_PAIRED(format, all_columns), name##_has_an_odd_width, \
                "the width of a YUV422 frame must be even: two pixels share U and V"); \
  UPPER_REQUIRE((height) > 0 && (width) > 0 && (top) + 0ull + (height) <= (all_rows) + 0ull && (left) + 0ull + (width) <= (all_columns) + 0ull, \
                name##_has_a_part_that_is_not_inside_it, "the part that is looked at must lie inside the frame and not be empty"); \
  UPPER_REQUIRE(UPPER_FRAME_SIZED(height, width), name##_is_too_large, \
                "a side of the frame times that of the net's picture must be below 2^30"); \
  static NAME_frame name = {0, format, stride, top, left, height, width, {0}}

/* The same for a frame whose sides are known only where the program runs: returns 1, or 0 and
   leaves the frame as it is where UPPER_FRAME would have stopped the compiler. */
static inline int NAME_frame_set(NAME_frame *frame, uint32_t format, uint32_t height, uint32_t width, uint32_t stride) {
  if (!UPPER_FRAME_TAKEN(format) || (uint64_t)stride < (uint64_t)width * UPPER_FRAME_BYTES(format)) return 0;
  if (!height || !width || !UPPER_FRAME_PAIRED(format, width) || !UPPER_FRAME_SIZED(height, width)) return 0;
  frame->format = format;
  frame->stride = stride;
  frame->top = 0;
  frame->left = 0;
  frame->height = height;
  frame->width = width;
  return 1;
}

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

static inline void NAME_add_rgb(uint32_t red, uint32_t green, uint32_t blue, uint32_t *sums) {
#if UPPER_COLOR == UPPER_COLOR_RGB
  sums[0] += red;
  sums[1] += green;
  sums[2] += blue;
#else
  sums[0] += (19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16;
#endif
}

static inline void NAME_add_yuv(int32_t y, int32_t u, int32_t v, uint32_t *sums) {
#if UPPER_COLOR == UPPER_COLOR_RGB
  int32_t color[3];
  color[0] = y + ((5880414 * (v - 128) + 32768) / 65536 >> 6);
  color[1] = y + (((-1443428 * (u - 128) + 32768) / 65536 + (-2995320 * (v - 128) + 32768) / 65536) >> 6);
  color[2] = y + ((7432307 * (u - 128) + 32768) / 65536 >> 6);
  for (int c = 0; c < 3; c++) sums[c] += (uint32_t)(color[c] < 0 ? 0 : color[c] > 255 ? 255 : color[c]);
#else
  (void)u;
  (void)v;
  sums[0] += (uint32_t)y;
#endif
}

/* What is seen of a value of which part 255ths are there, before UPPER_BACKGROUND: as Pillow has it. */
static inline uint32_t NAME_over(uint32_t value, uint32_t part) {
  const uint32_t sum = value * part + UPPER_BACKGROUND * (255 - part) + 128;
  return (sum + (sum >> 8)) >> 8;
}

/* Adds the pixels of a row of the frame, from a column until another. If clear is not 0, a pixel
   has so many bytes: grey or red, green and blue, and how much of them is there. */
static inline void NAME_add_row(const NAME_frame *frame, const uint8_t *row, uint32_t from, uint32_t until, uint32_t clear, uint32_t *sums) {
#if UPPER_FRAME_OF_ARRAYS
  const uint8_t *p = row + from * UPPER_CHANNELS;
  (void)frame;
  (void)clear;
  for (uint32_t x = from; x < until; x++) {
    for (uint32_t c = 0; c < UPPER_CHANNELS; c++) sums[c] += *p++;
  }
#else
  const uint32_t size = UPPER_FRAME_BYTES(frame->format);
  const uint32_t at = frame->format == UPPER_FRAME_BGR888 || frame->format == UPPER_FRAME_BGRX8888 ? 2 : 0;
  const uint8_t *p = row + from * (clear ? clear : size);
  if (clear) {
    const uint32_t green = clear == 4, part = clear - 1;
    for (uint32_t x = from; x < until; x++, p += clear) {
      NAME_add_rgb(NAME_over(p[0], p[part]), NAME_over(p[green], p[part]), NAME_over(p[2 * green], p[part]), sums);
    }
    return;
  }
  switch (frame->format) {
  case UPPER_FRAME_GREY:
    for (uint32_t x = from; x < until; x++) sums[0] += *p++;
#if UPPER_COLOR == UPPER_COLOR_RGB
    sums[1] = sums[2] = sums[0];
#endif
    break;
  case UPPER_FRAME_RGB565_LE:
  case UPPER_FRAME_RGB565_BE:
    for (uint32_t x = from; x < until; x++, p += 2) {
      const uint32_t high = p[frame->format == UPPER_FRAME_RGB565_LE], low = p[frame->format == UPPER_FRAME_RGB565_BE];
      const uint32_t red = high >> 3, green = (high & 7) << 3 | low >> 5, blue = low & 31;
      NAME_add_rgb(red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2, sums);
    }
    break;
  case UPPER_FRAME_YUYV:
    for (uint32_t x = from; x < until; x++, p += 2) {
      const uint8_t *two = row + (x & ~1u) * 2;
      NAME_add_yuv(p[0], two[1], two[3], sums);
    }
    break;
  case UPPER_FRAME_UYVY:
    for (uint32_t x = from; x < until; x++, p += 2) {
      const uint8_t *two = row + (x & ~1u) * 2;
      NAME_add_yuv(p[1], two[0], two[2], sums);
    }
    break;
  default: /* three bytes or four */
    for (uint32_t x = from; x < until; x++, p += size) NAME_add_rgb(p[at], p[1], p[2 - at], sums);
  }
#endif
}

/* Returns a row of the net's picture, of a frame or of pixels that may be transparent: see above. */
static inline const uint8_t *NAME_row_of(NAME_frame *frame, int row, uint32_t clear) {
  const uint32_t height = frame->height, width = frame->width;
  uint32_t top = frame->top, left = frame->left, tall = height, wide = width; /* of the frame */
  uint32_t above = 0, before = 0, rows = UPPER_FITTED_ROWS, columns = UPPER_FITTED_COLUMNS; /* of the result */
  if (UPPER_FIT == UPPER_FIT_CROP && (height != rows || width != columns)) {
    const uint32_t most_tall = (2 * width * rows + columns) / (2 * columns);
    const uint32_t most_wide = (2 * height * columns + rows) / (2 * rows);
    tall = most_tall < 1 ? 1 : most_tall < height ? most_tall : height;
    wide = most_wide < 1 ? 1 : most_wide < width ? most_wide : width;
    top += (height - tall) / 2;
    left += (width - wide) / 2;
  }
  if (UPPER_FIT == UPPER_FIT_PAD && (height != rows || width != columns)) {
    const uint32_t most_rows = (2 * height * UPPER_FITTED_COLUMNS + width) / (2 * width);
    const uint32_t most_columns = (2 * width * UPPER_FITTED_ROWS + height) / (2 * height);
    rows = most_rows < 1 ? 1 : most_rows < UPPER_FITTED_ROWS ? most_rows : UPPER_FITTED_ROWS;
    columns = most_columns < 1 ? 1 : most_columns < UPPER_FITTED_COLUMNS ? most_columns : UPPER_FITTED_COLUMNS;
    above = (UPPER_FITTED_ROWS - rows) / 2;
    before = (UPPER_FITTED_COLUMNS - columns) / 2;
  }
  /* A row of the result is one of the fitted picture, or a column if they are exchanged. */
  const uint32_t skipped = UPPER_TURNED ? before : above, lines = UPPER_TURNED ? columns : rows;
  const uint32_t side = UPPER_TURNED ? wide : tall, along = UPPER_TURNED ? tall : wide;
  const uint32_t count = UPPER_TURNED ? rows : columns;
  if (UPPER_FIT == UPPER_FIT_PAD) {
    for (uint32_t i = 0; i < UPPER_WIDTH * UPPER_CHANNELS; i++) frame->row[i] = UPPER_BACKGROUND;
    if ((uint32_t)row < skipped || (uint32_t)row >= skipped + lines) return frame->row;
  }
  const uint32_t first = NAME_from((uint32_t)row - skipped, side, lines), last = NAME_until((uint32_t)row - skipped, side, lines);
  uint8_t *out = frame->row + (UPPER_TURNED ? above : before) * UPPER_CHANNELS;
  for (uint32_t j = 0; j < count; j++) {
    const uint32_t start = NAME_from(j, along, count), end = NAME_until(j, along, count);
    const uint32_t low = top + (UPPER_TURNED ? start : first), high = top + (UPPER_TURNED ? end : last);
    const uint32_t from = left + (UPPER_TURNED ? first : start), until = left + (UPPER_TURNED ? last : end);
    uint32_t totals[UPPER_CHANNELS] = {0};
    for (uint32_t y = low; y < high; y++) {
      uint32_t sums[UPPER_CHANNELS] = {0};
      NAME_add_row(frame, frame->bytes + y * frame->stride, from, until, clear, sums);
      for (uint32_t c = 0; c < UPPER_CHANNELS; c++) totals[c] += NAME_mean(sums[c], until - from);
    }
    for (uint32_t c = 0; c < UPPER_CHANNELS; c++) *out++ = NAME_mean(totals[c], high - low);
  }
  return frame->row;
}

/* Returns a row of the net's picture; a NAME_source, whose context is a NAME_frame. */
static inline const uint8_t *NAME_frame_row(void *context, int row) {
  return NAME_row_of((NAME_frame *)context, row, 0);
}

/* Takes height rows of width pixels and writes all pixels of the net's picture. A pixel has
   UPPER_CHANNELS bytes; to a net of grey or of colours also 1 of grey, 2 of grey and of how much
   of it is there, 3 of red, green and blue, or 4 of these and of how much is there: the rest is
   UPPER_BACKGROUND. Returns 1, or 0 and writes nothing where it takes no such picture. */
static inline int NAME_picture(const uint8_t *picture, uint32_t height, uint32_t width,
                               uint32_t channels, uint8_t *pixels) {
  const uint32_t format = UPPER_FRAME_OF_ARRAYS ? UPPER_FRAME_CHANNELS : channels == 1 ? UPPER_FRAME_GREY : UPPER_FRAME_RGB888;
  const uint32_t clear = !UPPER_FRAME_OF_ARRAYS && channels % 2 == 0 ? channels : 0;
  NAME_frame frame = {picture, format, width * channels, 0, 0, height, width, {0}};
  if (UPPER_FRAME_OF_ARRAYS ? channels != UPPER_CHANNELS : channels < 1 || channels > 4) return 0;
  if (!height || !width || !UPPER_FRAME_SIZED(height, width)) return 0;
  for (int row = 0; row < UPPER_HEIGHT; row++) {
    const uint8_t *made = NAME_row_of(&frame, row, clear);
    for (int i = 0; i < UPPER_WIDTH * UPPER_CHANNELS; i++) *pixels++ = made[i];
  }
  return 1;
}

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
