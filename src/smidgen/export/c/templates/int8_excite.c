
/* The first row computes the gates: means, squeeze, excite, table. Each row is then scaled. */
static void excite(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const layer *squeeze = layers + own->weight, *gate = squeeze + 2;
  const uint32_t *unit = units + 2 * own->unit;
  const int channels = own->channels, row_size = own->width * channels;
  const int8_t *map = MEMORY(rows) + own->map;
  int8_t *mean = MEMORY(rows) + squeeze->map, *latent = MEMORY(rows) + squeeze[1].map;
  int8_t *gates = MEMORY(rows) + gate->map;
  if (!at->row) {
    for (int c = 0; c < channels; c++) {
      int32_t sum = (int32_t)unit[0];
#if POOLED_GATES
      if (own != layers && own[-1].kind == POOL && own[-1].unit) {
        sum += WORDS(rows)[own[-1].weight + c];
      } else
#endif
      for (int i = c; i < own->kernel * row_size; i += channels) sum += map[i];
      mean[c] = narrowed(sum, unit[1], 2 * squeeze->zero + 1);
    }
    int8_t *one[WINDOW + 1];
    one[WINDOW] = MEMORY(rows);
    one[0] = mean, convolve(squeeze, at, one, latent);
    one[0] = latent, convolve(squeeze + 1, at, one, gates);
  }
  map += at->row * row_size;
  for (int i = 0; i < row_size; i += channels) {
    for (int c = 0; c < channels; c++) {
      const int32_t product = (map[i + c] - own->zero) * sigmoid[gates[c] + 128];
      out[i + c] = narrowed(product, unit[3], 2 * own[1].zero + 1);
    }
  }
}
