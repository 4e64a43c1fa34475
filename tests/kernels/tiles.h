/* The tile instructions of AMX in portable C, for the tests of csrc/amx.h: products exact, sums of a row's even and odd
 * pairs apart in float32, numbers too small to be normal taken for zero. */
typedef struct {
    uint8_t bytes[16][64];
    int rows, width;
} Tile;
static __thread Tile tiles[8];

static float tile_number(uint32_t bits) {
    float value;
    if ((bits & 0x7f800000u) == 0) bits &= 0x80000000u;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static float tile_flushed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return tile_number(bits);
}
static void tile_config(const void *shapes) {
    const uint8_t *p = shapes;
    if (p[0] != 1) abort();
    for (int t = 0; t < 8; t++) {
        tiles[t].width = p[16 + 2 * t] + 256 * p[17 + 2 * t], tiles[t].rows = p[48 + t];
        if (tiles[t].width > 64 || tiles[t].rows > 16) abort();
        memset(tiles[t].bytes, 0, sizeof tiles[t].bytes);
    }
}
static void tile_release(void) {
    for (int t = 0; t < 8; t++) tiles[t].rows = tiles[t].width = 0;
}
static Tile *tile_in_use(int t) {
    if (tiles[t].rows == 0 || tiles[t].width == 0) abort(); /* the processor refuses it, too */
    return &tiles[t];
}
static void tile_zero(int t) { memset(tile_in_use(t)->bytes, 0, sizeof tiles[t].bytes); }
static void tile_load(int t, const void *from, int64_t stride) {
    tile_zero(t);
    for (int r = 0; r < tiles[t].rows; r++) memcpy(tiles[t].bytes[r], (const char *)from + r * stride, (size_t)tiles[t].width);
}
static void tile_store(int t, void *to, int64_t stride) {
    tile_in_use(t);
    for (int r = 0; r < tiles[t].rows; r++) memcpy((char *)to + r * stride, tiles[t].bytes[r], (size_t)tiles[t].width);
}
static void tile_dot(int sum, int a, int b) {
    Tile *s = tile_in_use(sum), *x = tile_in_use(a), *w = tile_in_use(b);
    if (s->rows != x->rows || s->width != w->width || x->width != 4 * w->rows) abort();
    for (int m = 0; m < s->rows; m++)
        for (int n = 0; n < s->width / 4; n++) {
            float part[2] = {0.0f, 0.0f}, old;
            for (int k = 0; k < x->width / 4; k++)
                for (int half = 0; half < 2; half++) {
                    uint16_t left, right;
                    memcpy(&left, x->bytes[m] + 4 * k + 2 * half, 2);
                    memcpy(&right, w->bytes[k] + 4 * n + 2 * half, 2);
                    float p = tile_number((uint32_t)left << 16), q = tile_number((uint32_t)right << 16);
                    part[half] = tile_flushed(part[half] + p * q); /* the product is exact */
                }
            memcpy(&old, s->bytes[m] + 4 * n, 4);
            old = tile_flushed(tile_flushed(old) + tile_flushed(part[0] + part[1]));
            memcpy(s->bytes[m] + 4 * n, &old, 4);
        }
}
#define TILE_CONFIG(p) tile_config(p)
#define TILE_RELEASE() tile_release()
#define TILE_ZERO(t) tile_zero(t)
#define TILE_LOAD(t, p, stride) tile_load(t, p, stride)
#define TILE_STORE(t, p, stride) tile_store(t, p, stride)
#define TILE_DOT(sum, a, b) tile_dot(sum, a, b)
