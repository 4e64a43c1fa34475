
static const uint8_t *next_of_picture(void *context, int row) {
  const uint8_t **next = (const uint8_t **)context, *own = *next;
  (void)row;
  *next += UPPER_WIDTH * UPPER_CHANNELS;
  return own;
}

void NAME_in(void *memory, const uint8_t *pixels, NUMBER *logits) {
  NAME_rows(memory, next_of_picture, &pixels, logits);
}

#if UPPER_STATIC_MEMORY
void NAME(const uint8_t *pixels, NUMBER *logits) {
  static ALIGNED NUMBER memory[UPPER_MEMORY_BYTES / 4];
  NAME_in(memory, pixels, logits);
}
#endif
