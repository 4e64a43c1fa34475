
#if !defined(UPPER_LEAST_STEPS)
#define UPPER_LEAST_STEPS 32 /* for a sum on tiles: fewer take less time on vectors */
#endif
/* As the processor reads it: a row's bytes and the rows of each tile. */
typedef struct {
  uint8_t palette, start, none[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} tile_shapes;

/* Sums of 16 pixels, of one or two sixteens of outputs, to the map. */
TARGETED static void ISA_put_tile(const layer *own, uint8_t *const *to, const int32_t *sums, int two, const int32_t *unit) {
#if ISA_QUICK
  if (own->quick) {
    const ISA_vec slope[2] = {ISA_numbers(unit + SLOPE), ISA_numbers(unit + SLOPE + two * UNIT)};
    const ISA_vec above[2] = {ISA_numbers(unit + ABOVE), ISA_numbers(unit + ABOVE + two * UNIT)};
    const ISA_vec below[2] = {ISA_numbers(unit + BELOW), ISA_numbers(unit + BELOW + two * UNIT)};
    for (int i = 0; i < 16; i += 4) {
      for (int j = 0; j <= two; j++) {
        ISA_vec x[4];
        uint8_t *q[4];
        UNROLL
        for (int k = 0; k < 4; k++) {
          x[k] = ISA_numbers(sums + 32 * (i + k) + 16 * j), q[k] = to[i + k] + 16 * j;
          ISA_line(own, x + k, slope[j], above[j], below[j]);
        }
        ISA_put_four(q, x);
      }
    }
    return;
  }
#endif
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j <= two; j++) {
      ISA_vec x[16 / LANES];
      for (int k = 0; k < 16 / LANES; k++) x[k] = ISA_numbers(sums + 32 * i + 16 * j + k * LANES);
      ISA_finish(own, to[i] + 16 * j, x, unit + j * UNIT);
    }
  }
}

/* Sums of two times 16 pixels and two sixteens of outputs. The rows of a tile are neighbouring pixels of the
   map, over its border if that fills more of them; what is computed there is dropped. The last tile of a
   row begins where it still fits. */
TARGETED static void ISA_convolve_on_tiles(const layer *own, const uint8_t *in, uint8_t *out) {
  const int chunk = own->chunk, steps = own->steps, stride = own->stride * own->pitch, wide = own->row / own->pitch;
  if (steps < UPPER_LEAST_STEPS || !tiles_are_there()) {
    ISA_convolve(own, in, out);
    return;
  }
  const int span = (own->height - 1) * wide + own->width;
  const int joined = own->stride == 1 && (span + 15) / 16 < own->height * ((own->width + 15) / 16);
  const int lines = joined ? 1 : own->height, length = joined ? span : own->width, rows = length < 16 ? length : 16;
  const int32_t *const at = places + own->places;
  ALIGNED int32_t sums[2][16 * 32];
  const int to_pitch = own->to_pitch;
  uint8_t nowhere[32]; /* where sums go whose pixel is none */
  tile_shapes shapes;
  memset(&shapes, 0, sizeof shapes), memset(sums, 0, sizeof sums);
  shapes.palette = 1;
  for (int t = 0; t < 8; t++) shapes.bytes[t] = 64, shapes.rows[t] = (uint8_t)(t < 6 ? rows : chunk);
  shapes.bytes[4] = shapes.bytes[5] = (uint16_t)(4 * chunk);
  TILE_SHAPES(&shapes);
  for (int block = 0; block < own->blocks; block += 2) {
    const int two = block + 1 < own->blocks, beyond = two * 64 * steps;
    const int8_t *const from = weights + own->weight + block * 64 * steps;
    const int32_t *const unit = units + own->unit + UNIT * block;
    for (int line = 0; line < lines; line++) {
      const uint8_t *const p = in + line * own->stride * own->row;
      uint8_t *const q = out + line * own->to_row + 16 * block;
      for (int pixel = 0; pixel < length; pixel += 32) {
        const int last = length - rows, more = pixel + 16 < length;
        const int first[2] = {pixel < last ? pixel : last, pixel + 16 < last ? pixel + 16 : last};
        const int8_t *w = from;
        TILE_LOAD(0, unit, 0);
        if (two) TILE_LOAD(1, unit + UNIT, 0);
        if (more) TILE_LOAD(2, unit, 0);
        if (two && more) TILE_LOAD(3, unit + UNIT, 0);
        for (int t = 0; t < steps; t += chunk, w += 64 * chunk) {
          const uint8_t *const taps = p + at[t];
          TILE_LOAD(4, taps + first[0] * stride, stride);
          TILE_LOAD(6, w, 64);
          TILE_DOT(0, 4, 6);
          if (more) {
            TILE_LOAD(5, taps + first[1] * stride, stride);
            TILE_DOT(2, 5, 6);
          }
          if (two) {
            TILE_LOAD(7, w + beyond, 64);
            TILE_DOT(1, 4, 7);
            if (more) TILE_DOT(3, 5, 7);
          }
        }
        TILE_STORE(0, sums[0], 128);
        if (two) TILE_STORE(1, sums[0] + 16, 128);
        if (more) TILE_STORE(2, sums[1], 128);
        if (two && more) TILE_STORE(3, sums[1] + 16, 128);
        for (int k = 0; k <= more; k++) {
          uint8_t *to[16];
          const int y = joined ? first[k] / wide : 0, x = first[k] - y * wide;
          uint8_t *r = q + y * own->to_row + x * own->to_pitch;
          for (int i = 0, left = own->width - x, past = wide - own->width; i < 16; i++, left--, r += to_pitch) {
            if (left + past == 0) left = own->width, r += own->to_row - wide * to_pitch;
            to[i] = i < rows && left > 0 ? r : nowhere;
          }
          ISA_put_tile(own, to, sums[k], two, unit);
        }
      }
    }
  }
  TILE_RELEASE();
}
