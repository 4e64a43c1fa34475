
/* Two pixels by two outputs; weights lie as the loops meet them, padded to words of four.
   The last pixel of an odd row is computed twice. */
APART void convolve(const layer *own, const int8_t *const *rows, int8_t *out, int32_t *sums) {
  const int count = own[1].channels, width = own[1].width, kernel = own->kernel;
  const int words = (kernel * own->channels + 3) >> 2, step = own->stride * own->channels;
  const int right = width > 1 ? step : 0, next = width > 1 ? count : 0;
  const int32_t zero = 2 * own[1].zero + 1;
  for (int x = 0; x < width; x += 2) {
    const int8_t *w = weights + own->weight;
    const int32_t *unit = units + 2 * own->unit;
    const uint8_t *shift = shifts + own->unit;
    if (x + 1 == width && x) x--;
    for (int o = 0; o < count; o += 2, unit += 4, shift += 2) {
      int32_t a = unit[0], b = a, c = unit[2], d = c;
      for (int j = 0; j < kernel; j++) {
        const int8_t *p = rows[j] + x * step;
        for (int n = words; n; n--, p += 4, w += 8) {
#if defined(__ARM_FEATURE_DSP)
          const uint32_t l = word(p), r = word(p + right), le = even(l), lo = odd(l), re = even(r), ro = odd(r);
          uint32_t v = word(w), e = even(v), f = odd(v);
          a = both(lo, f, both(le, e, a)), b = both(ro, f, both(re, e, b));
          v = word(w + 4), e = even(v), f = odd(v);
          c = both(lo, f, both(le, e, c)), d = both(ro, f, both(re, e, d));
#else
          for (int i = 0; i < 4; i++) {
            a += p[i] * w[i], b += p[i + right] * w[i];
            c += p[i] * w[i + 4], d += p[i + right] * w[i + 4];
          }
#endif
        }
      }
      if (sums) {
        sums[o] = a;
        if (o + 1 < count) sums[o + 1] = c;
        continue;
      }
      int8_t *q = out + x * count + o;
      q[0] = narrowed(a, unit[1], shift[0], zero);
      q[next] = narrowed(b, unit[1], shift[0], zero);
      if (o + 1 < count) {
        q[1] = narrowed(c, unit[3], shift[1], zero);
        q[next + 1] = narrowed(d, unit[3], shift[1], zero);
      }
    }
  }
}
