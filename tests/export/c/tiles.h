
/* The tile instructions of AMX in portable C, in place of templates/host_amx.c. */
#include <stdlib.h>
typedef struct {
  uint8_t bytes[16][64];
  int rows, width;
} tile;
static tile tiles[8];
static int tiles_are_there(void) { return 1; }
static tile *tile_in_use(int t) {
  if (tiles[t].rows == 0 || tiles[t].width == 0) abort(); /* the processor refuses it, too */
  return &tiles[t];
}
static void tile_config(const void *shapes) {
  const uint8_t *p = (const uint8_t *)shapes;
  if (p[0] != 1) abort();
  for (int t = 0; t < 8; t++) {
    tiles[t].width = p[16 + 2 * t] + 256 * p[17 + 2 * t], tiles[t].rows = p[48 + t];
    if (tiles[t].width > 64 || tiles[t].rows > 16) abort();
    memset(tiles[t].bytes, 0, sizeof tiles[t].bytes);
  }
}
static void tile_release(void) { memset(tiles, 0, sizeof tiles); }
static void tile_load(int t, const void *from, long stride) {
  tile *own = tile_in_use(t);
  memset(own->bytes, 0, sizeof own->bytes);
  for (int r = 0; r < own->rows; r++) memcpy(own->bytes[r], (const uint8_t *)from + r * stride, (size_t)own->width);
}
static void tile_store(int t, void *to, long stride) {
  const tile *own = tile_in_use(t);
  for (int r = 0; r < own->rows; r++) memcpy((uint8_t *)to + r * stride, own->bytes[r], (size_t)own->width);
}
/* Unsigned bytes by signed ones, sums of 32 bits. */
static void tile_dot(int sum, int a, int b) {
  tile *s = tile_in_use(sum), *x = tile_in_use(a), *w = tile_in_use(b);
  if (s->rows != x->rows || s->width != w->width || x->width != 4 * w->rows) abort();
  for (int m = 0; m < s->rows; m++) {
    for (int n = 0; n < s->width / 4; n++) {
      int32_t all;
      memcpy(&all, s->bytes[m] + 4 * n, 4);
      for (int k = 0; k < x->width; k++) all += x->bytes[m][k] * (int8_t)w->bytes[k / 4][4 * n + k % 4];
      memcpy(s->bytes[m] + 4 * n, &all, 4);
    }
  }
}
#define TILE_SHAPES(p) tile_config(p)
#define TILE_RELEASE() tile_release()
#define TILE_LOAD(t, p, stride) tile_load(t, p, stride)
#define TILE_STORE(t, p, stride) tile_store(t, p, stride)
#define TILE_DOT(sum, a, b) tile_dot(sum, a, b)
