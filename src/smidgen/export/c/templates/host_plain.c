
typedef int32_t plain_vec;
typedef struct {
  uint8_t byte[4];
} plain_raw;
#define PLAIN
#define plain_BIAS 0
#define plain_QUICK 0
PLAIN INLINED static plain_raw plain_spread(const uint8_t *p) {
  plain_raw four;
  memcpy(&four, p, 4);
  return four;
}
PLAIN INLINED static plain_raw plain_row(const int8_t *p) {
  plain_raw four;
  memcpy(&four, p, 4);
  return four;
}
PLAIN INLINED static plain_vec plain_numbers(const int32_t *p) { return *p; }
PLAIN INLINED static plain_vec plain_bytes(const uint8_t *p) { return *p; }
PLAIN INLINED static plain_vec plain_dot(plain_vec sum, plain_raw a, plain_raw w) {
  for (int i = 0; i < 4; i++) sum += a.byte[i] * (int8_t)w.byte[i];
  return sum;
}
PLAIN INLINED static plain_vec plain_scaled(plain_vec sum, plain_vec by) {
  return (int32_t)(((int64_t)sum * by + 0x40000000) >> 31);
}
PLAIN INLINED static void plain_put(uint8_t *q, const plain_vec *x) {
  for (int i = 0; i < 16; i++) q[i] = (uint8_t)(x[i] < 0 ? 0 : x[i] > 255 ? 255 : x[i]);
}
typedef struct {
  uint8_t byte[16];
} plain_sixteen;
PLAIN INLINED static plain_sixteen plain_sixteen_of(const uint8_t *p) {
  plain_sixteen all;
  memcpy(&all, p, 16);
  return all;
}
PLAIN INLINED static plain_sixteen plain_larger(plain_sixteen a, plain_sixteen b) {
  for (int i = 0; i < 16; i++) a.byte[i] = a.byte[i] > b.byte[i] ? a.byte[i] : b.byte[i];
  return a;
}
