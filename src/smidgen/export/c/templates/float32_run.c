
void NAME_rows(void *memory, NAME_source *source, void *context, float *logits) {
  float *const arena = (float *)memory;
MAPSBODY}
