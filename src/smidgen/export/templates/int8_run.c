
/* Fills whole rows of a ring with what stands for 0. */
APART void fill(const layer *own, int8_t *p, int rows) {
  for (int i = rows * ((own->width + 2 * own->padding) * own->channels); i; i--) {
    KEEP_LOOP;
    *p++ = own->zero;
  }
}

/* Returns the ring's next row to write; the first time round, the border is filled. */
APART int8_t *next_row(const layer *own, progress *at) {
  int8_t *ring = (int8_t *)arena + own->map;
  if (!at->filled++ && own->padding) {
    FILL(own, ring, own->kernel);
    at->slot = own->padding;
  }
  ring += at->slot * ((own->width + 2 * own->padding) * own->channels);
  if (++at->slot == own->kernel) at->slot = 0;
  return ring;
}

void NAME(const uint8_t *pixels, int32_t *logits) {
  progress at[LAYERS];
  int i = LAYERS - 1;
  for (int j = 0; j < LAYERS; j++) {
    KEEP_LOOP;
    at[j].row = at[j].filled = at[j].slot = 0;
  }
  for (;;) {
    const layer *own = layers + i;
    progress *here = at + i;
    if (here->filled < own->first + here->row * own->stride) {
      if (here->filled < own->height) {
        if (i) {
          i--;
          continue;
        }
        int8_t *p = next_row(own, here) + own->padding * own->channels;
        for (int n = own->width * own->channels; n; n--) {
          KEEP_LOOP;
          *p++ = (int8_t)(*pixels++ - 128);
        }
        continue;
      }
      if (own->padding) {
        FILL(own, next_row(own, here), 1);
        continue;
      }
    }
    const int8_t *rows[WINDOW];
    for (int j = 0, slot = here->slot; j < own->kernel && j < WINDOW; j++) {
      rows[j] = (const int8_t *)arena + own->map + slot * ((own->width + 2 * own->padding) * own->channels);
      if (++slot == own->kernel) slot = 0;
    }
    if (i == LAYERS - 1) {
      convolve(own, rows, 0, logits);
      return;
    }
    int8_t *out = next_row(own + 1, here + 1) + own[1].padding * own[1].channels;
    switch (own->kind) {
CASES
    }
    here->row++;
    i++;
  }
}
