
/* Fills whole rows of a ring with what stands for 0. */
static SMALL void fill(const layer *own, int8_t *p, int rows) {
  int i = rows * own->row_size;
#if TWO_AT_ONCE
  for (const uint32_t four = 0x01010101u * (uint8_t)own->zero; i >= 4; i -= 4, p += 4) {
    KEEP_LOOP;
    __builtin_memcpy(p, &four, 4);
  }
#elif PACKED
  for (const int8_t zero = own->zero; i >= 4; i -= 4, p += 4) {
    KEEP_LOOP;
    p[0] = p[1] = p[2] = p[3] = zero;
  }
#endif
  for (; i; i--) {
    KEEP_LOOP;
    *p++ = own->zero;
  }
}

/* Returns the ring's next row to write; the first time round, the border is filled. */
static SMALL int8_t *next_row(const layer *own, progress *at, int8_t *arena) {
  int8_t *ring = arena + own->map;
  if (!at->filled++ && (own->padding || BESIDE(own))) {
    FILL(own, ring, SLOTS(own));
    at->slot = own->padding;
  }
  ring += at->slot * own->row_size;
  if (++at->slot == SLOTS(own)) at->slot = 0;
  return ring;
}

static void (*const kernels[])(const layer *, const progress *, int8_t *const *, int8_t *) = {KERNELS};

SMALL void NAME_rows(void *memory, NAME_source *source, void *context, int32_t *logits) {
  int8_t *const arena = (int8_t *)memory;
  progress all[LAYERS], *at = all + LAYERS;
  const layer *own = layers + LAYERS - 1;
  while (at != all) {
    KEEP_LOOP;
    at--;
    at->row = at->filled = at->slot = 0;
  }
  at = all + LAYERS - 1;
  for (;;) {
    if (at->filled < own->first + at->row * own->stride) {
      if (at->filled < own->height) {
        if (own != layers) {
          own--, at--;
          continue;
        }
        const uint8_t *pixels = source(context, at->filled);
        int8_t *p = next_row(own, at, arena) + BESIDE(own) * own->channels;
        int n = own->width * own->channels;
#if TWO_AT_ONCE
        for (; n >= 4; n -= 4, p += 4, pixels += 4) {
          const uint32_t four = word((const int8_t *)pixels) ^ 0x80808080u;
          __builtin_memcpy(p, &four, 4);
        }
#elif PACKED
        for (; n >= 4; n -= 4, p += 4, pixels += 4) {
          KEEP_LOOP;
          p[0] = (int8_t)(pixels[0] - 128), p[1] = (int8_t)(pixels[1] - 128);
          p[2] = (int8_t)(pixels[2] - 128), p[3] = (int8_t)(pixels[3] - 128);
        }
#endif
        for (; n; n--) {
          KEEP_LOOP;
          *p++ = (int8_t)(*pixels++ - 128);
        }
        continue;
      }
      if (own->padding) {
        FILL(own, next_row(own, at, arena), 1);
        continue;
      }
    }
    if (own == layers + LAYERS - 1) break;
    int8_t *rows[WINDOW + 1];
    int slot = at->slot;
#if SLOTTED
    slot -= own->kernel;
    if (slot < 0) slot += own->slots;
#endif
    for (int j = 0; j < WINDOW; j++) {
      rows[j] = arena + own->map + slot * own->row_size;
      if (++slot >= SLOTS(own)) slot = 0;
    }
    rows[WINDOW] = arena;
    own++, at++;
    int8_t *out = next_row(own, at, arena) + BESIDE(own) * own->channels;
    kernels[own[-1].kind](own - 1, at - 1, rows, out);
    at[-1].row++;
  }
#if UNREACHED /* rows of the picture that no window lacks: a source is asked for them, too */
  for (int row = UPPER_HEIGHT - UNREACHED; row < UPPER_HEIGHT; row++) source(context, row);
#endif
  const int8_t *w = weights + own->weight, *p = arena + own->map;
  for (int k = 0; k < UPPER_CLASSES; k++) {
    int32_t sum = biases[k];
    for (int c = 0; c < FEATURES; c++) sum += p[c] * *w++;
    logits[k] = sum;
  }
}
