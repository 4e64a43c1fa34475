
TARGETED static void ISA_walk(uint8_t *arena, int32_t *logits) {
  for (const layer *own = layers + 1; own != layers + LAYERS; own++) {
    const uint8_t *in = arena + own->from;
    uint8_t *out = arena + own->to;
    switch (own->kind) {
CASES
      default: ISA_classify(own, in, logits);
    }
    if (own->border) surround(own, out);
  }
}
