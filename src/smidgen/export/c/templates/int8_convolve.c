
#if PLAIN_CONVOLVE
/* Two pixels by two outputs; weights lie as the loops meet them. Windows of several rows are first
   gathered, each into one. Of an odd number of columns, the second is computed twice. */
static void convolve(const layer *own, const progress *at, int8_t *const *rows, int8_t *out) {
  const int count = own[1].channels, last = own[1].width - 1, span = ACROSS(own) * own->channels;
  const int size = (own->kernel * span + 3) & ~3;
  const int32_t zero = 2 * own[1].zero + 1;
  const int step = own->stride * own->channels, beside = last ? count : 0;
  const uint32_t *const units_end = units + 2 * (own->unit + count);
  const int8_t *const weight = weights + own->weight;
  const int unit_size = 2 * count;
  int x = 0, pair = 2 - (own[1].width & 1);
  (void)at;
  do {
    const int8_t *p = rows[0] + x * step, *w = weight;
    int right = last ? step : 0;
#if GATHER
    if (own->kernel > 1) {
      int8_t *const patch = MEMORY(rows) + PATCH;
      gather(own, rows, x * step, patch), gather(own, rows, x * step + right, patch + size);
      p = patch, right = size;
    }
#endif
    const int8_t *const stop = p + size;
    int8_t *q = out + x * count;
    for (const uint32_t *unit = units_end - unit_size; unit < units_end; unit += 4, q += 2) {
      int32_t a = (int32_t)unit[0], b = a, c = (int32_t)unit[2], d = c;
      do { /* terms 0, 2, 1 and 3, each for one output and the other */
#if TWO_AT_ONCE
        uint32_t l = word(p), r = word(p + right), v = word(w), le = even(l), re = even(r), e = even(v);
        a = both(le, e, a), b = both(re, e, b);
        e = odd(v), c = both(le, e, c), d = both(re, e, d);
        l = odd(l), r = odd(r), v = word(w + 4), e = even(v);
        a = both(l, e, a), b = both(r, e, b);
        e = odd(v), c = both(l, e, c), d = both(r, e, d);
        p += 4, w += 8;
#else
        UNROLL_FOURS
        for (int i = 0; i < 2; i++, p++) {
          UNROLL_FOURS
          for (int j = 0; j < 4; j += 2, w += 2) {
            const int left = p[j], beside_ = p[j + right];
            int by = w[0];
            a += left * by, b += beside_ * by;
            by = w[1];
            c += left * by, d += beside_ * by;
          }
        }
        p += 2;
#endif
      } while (p != stop);
      p -= size;
      uint32_t by = unit[1]; /* once: for all the compiler knows, a store may change it */
      q[0] = narrowed(a, by, zero), q[beside] = narrowed(b, by, zero);
      if (unit + 2 != units_end) {
        by = unit[3];
        q[1] = narrowed(c, by, zero), q[beside + 1] = narrowed(d, by, zero);
      }
    }
    x += pair, pair = 2;
  } while (x < last);
}
#endif
