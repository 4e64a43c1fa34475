
/* It <TOLD>. */
#define UPPER_SURE_MARGIN <MARGIN>u /* between the two largest logits, at least */
#define UPPER_NOT_SURE (-1)

/* Returns the place of the largest logit, or UPPER_NOT_SURE where the next is too near to it. */
static inline int NAME_sure(const int32_t *logits) {
  const int best = NAME_argmax(logits);
  uint32_t least = UPPER_SURE_MARGIN;
  for (int k = 0; k < UPPER_CLASSES; k++) {
    /* without a sign, in which no difference of two overflows */
    if (k != best && (uint32_t)logits[best] - (uint32_t)logits[k] < least) return UPPER_NOT_SURE;
  }
  return best;
}
