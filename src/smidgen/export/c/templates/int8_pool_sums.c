
#if POOLED_GATES
/* A gate follows, which needs the sums of what the pooling reads. */
static void add_up(const layer *own, const progress *at, int8_t *const *rows) {
  const int channels = own->channels;
  int32_t *const sums = WORDS(rows) + own->weight;
  for (int c = 0; c < channels; c++) {
    int32_t sum = at->row ? sums[c] : 0;
    for (int j = 0; j < own->kernel; j++) {
      const int8_t *p = rows[j] + c;
      for (int n = own->width; n; n--, p += channels) sum += *p;
    }
    sums[c] = sum;
  }
}
#endif
