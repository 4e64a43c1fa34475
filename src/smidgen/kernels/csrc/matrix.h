/* Convolutions as products of matrices: an image's padded map times packed weights, and the gradient of the weights.
 *
 * A map is read as 32-bit units. In a product with weights a unit is a pair of neighbouring channels (one float32
 * where products are not paired), broadcast against LANES output channels. In a gradient of weights it is the same
 * channel of two images, so that neighbours of any tap pair up alike.
 */
enum { PIXELS = LANES == 8 ? 4 : 8, ITEMS = PIXELS, COLUMNS = 2 };

#if PAIRED
static Item item_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#else
INLINE Item item_of(float value) { return value; }
#endif

static void copy_items(const Value *x, Item *out, Int count) {
#if BFLOAT16 && !PAIRED
    Int i = 0;
    for (; i + LANES <= count; i += LANES) STORE(out + i, LOAD(x + i));
    if (i < count) STORE_N(out + i, LOAD_N(x + i, (int)(count - i)), (int)(count - i));
#else
    memcpy(out, x, sizeof(Item) * (size_t)count);
#endif
}
/* Write an image inside a zeroed map with a border, `room` items a pixel. */
static void pad_items(const Value *x, Item *out, Int height, Int width, Int channels, Int room, Int border) {
    for (Int y = 0; y < height; y++) {
        const Value *from = x + y * width * channels;
        Item *to = out + ((y + border) * (width + 2 * border) + border) * room;
        if (channels == room) copy_items(from, to, width * channels);
        else
            for (Int p = 0; p < width; p++) copy_items(from + p * channels, to + p * room, channels);
    }
}
/* Pair two images, the second of which may be missing, value by value. */
static void pair_values(const Value *a, const Value *b, Unit *out, Int count) {
#if PAIRED
    for (Int i = 0; i < count; i += LANES) {
        int n = (int)smaller(LANES, count - i);
        vu low, high = {};
        if (n == LANES) low = (vu)LOAD(a + i), high = b ? (vu)LOAD(b + i) : high;
        else low = (vu)LOAD_N(a + i, n), high = b ? (vu)LOAD_N(b + i, n) : high;
        vf both = (vf)(high | (low >> 16));
        if (n == LANES) store_f32((float *)(out + i), both);
        else store_f32_n((float *)(out + i), both, n);
    }
#else
    (void)b;
    copy_items(a, (Item *)out, count);
#endif
}
static void pad_pairs(const Value *a, const Value *b, Unit *out, Int height, Int width, Int channels, Int border) {
    for (Int y = 0; y < height; y++) {
        Int from = y * width * channels, to = ((y + border) * (width + 2 * border) + border) * channels;
        pair_values(a + from, b ? b + from : NULL, out + to, width * channels);
    }
}
/* Lay the kernel x kernel window of every pixel side by side, `room` items a pixel, the rest of it left alone. */
static void windows(const void *map, void *out, Int height, Int width, Int channels, Int kernel, Int room, size_t item) {
    Int row = (width + kernel - 1) * channels;
    const char *from = map;
    char *to = out;
    for (Int y = 0; y < height; y++)
        for (Int x = 0; x < width; x++)
            for (Int k = 0; k < kernel; k++)
                memcpy(to + (size_t)(((y * width + x) * room) + k * kernel * channels) * item,
                       from + (size_t)((y + k) * row + x * channels) * item, (size_t)(kernel * channels) * item);
}

/* Weights of a product: `outputs` columns (rounded up to whole vectors) for every item of a window. */
typedef struct {
    Int outputs, columns; /* as asked, and rounded up */
    Int taps, inputs, room; /* window pixels, channels of each, and items kept for each */
    Int output_step, input_step; /* in the float weights, where taps are neighbours */
    int flipped;          /* taps from last to first */
} Packing;
static Int packed_items(const Packing *p) { return up(p->taps * p->room, PAIR) * p->columns; }
static const Unit *pack(const Packing *p, const float *weights) {
    Int count = packed_items(p);
    Item *out = TAKE_ZERO(Item, count);
    for (Int t = 0; t < p->taps; t++)
        for (Int c = 0; c < p->inputs; c++) {
            Int at = t * p->room + c;
            Item *to = out + at / PAIR * p->columns * PAIR + at % PAIR;
            const float *from = weights + c * p->input_step + (p->flipped ? p->taps - 1 - t : t);
            for (Int o = 0; o < p->outputs; o++) to[o * PAIR] = item_of(from[o * p->output_step]);
        }
    return (const Unit *)out;
}

typedef struct {
    const Unit *map;    /* with its border */
    Int height, width;  /* of the result */
    Int kernel;         /* rows of a window */
    Int step, row;      /* units from a pixel to the next, and from a row to the next */
    Int length;         /* units of a window's row */
    const Unit *weights;
    Int outputs, columns;
    const float *bias;  /* `columns` values, or NULL */
    Value *result;
} Product;

INLINE void product_tile(const Product *p, const Unit *x, Int column, Value *out, const int pixels, const int vectors) {
    vf sum[PIXELS][COLUMNS];
    for (int i = 0; i < pixels; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = p->bias ? load_f32(p->bias + column + j * LANES) : (vf){};
    const Unit *w = p->weights + column;
    Int step = p->step, length = p->length, columns = p->columns;
    for (Int k = 0; k < p->kernel; k++) {
        const Unit *from = x + k * p->row;
        for (Int u = 0; u < length; u++, w += columns) {
            vu line[COLUMNS];
            for (int j = 0; j < vectors; j++) line[j] = load_units(w + j * LANES);
            for (int i = 0; i < pixels; i++) {
                vu item = splat_unit(from[i * step + u]);
                for (int j = 0; j < vectors; j++) sum[i][j] = dot(sum[i][j], item, line[j]);
            }
        }
    }
    Int left = p->outputs - column;
    for (int i = 0; i < pixels; i++)
        for (int j = 0; j < vectors; j++) {
            Int n = left - j * LANES;
            if (n >= LANES) STORE(out + i * p->outputs + j * LANES, sum[i][j]);
            else STORE_N(out + i * p->outputs + j * LANES, sum[i][j], (int)n);
        }
}
#define PRODUCT_CASE(n, vectors) \
    case n: product_tile(p, x, column, out, n, vectors); break;
#if LANES == 8
#define CASES(M, vectors) M(1, vectors) M(2, vectors) M(3, vectors) M(4, vectors)
#else
#define CASES(M, vectors) \
    M(1, vectors) M(2, vectors) M(3, vectors) M(4, vectors) M(5, vectors) M(6, vectors) M(7, vectors) M(8, vectors)
#endif
static void product(const Product *p) {
    for (Int column = 0; column < p->outputs; column += COLUMNS * LANES) {
        int wide = p->outputs - column > LANES;
        for (Int y = 0; y < p->height; y++)
            for (Int from = 0; from < p->width; from += PIXELS) {
                const Unit *x = p->map + y * p->row + from * p->step;
                Value *out = p->result + (y * p->width + from) * p->outputs + column;
                Int pixels = smaller(PIXELS, p->width - from);
                if (wide) switch (pixels) { CASES(PRODUCT_CASE, 2) }
                else switch (pixels) { CASES(PRODUCT_CASE, 1) }
            }
    }
}

/* sums[tap][input][column] += map[pixel + tap][input] * d[pixel][column], over the pixels of one image, or two. */
typedef struct {
    const Unit *map; /* `inputs` units a pixel, with its border */
    const Unit *d;   /* `outputs` units a pixel */
    Int height, width, kernel, inputs, outputs, columns;
    float *sums;
} Gradient;

INLINE void gradient_tile(const Gradient *g, const Unit *x, const Unit *d, Int rows, float *sums, const int items,
                          const int vectors) {
    vf sum[ITEMS][COLUMNS];
    for (int i = 0; i < items; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = (vf){};
    Int width = g->width, inputs = g->inputs, outputs = g->outputs, row = (g->width + g->kernel - 1) * inputs;
    for (Int y = 0; y < rows; y++) {
        const Unit *px = x + y * row, *pd = d + y * width * outputs;
        for (Int p = 0; p < width; p++, px += inputs, pd += outputs) {
            vu line[COLUMNS];
            for (int j = 0; j < vectors; j++) line[j] = load_units(pd + j * LANES);
            for (int i = 0; i < items; i++) {
                vu item = splat_unit(px[i]);
                for (int j = 0; j < vectors; j++) sum[i][j] = dot(sum[i][j], item, line[j]);
            }
        }
    }
    for (int i = 0; i < items; i++)
        for (int j = 0; j < vectors; j++) {
            float *to = sums + i * g->columns + j * LANES;
            store_f32(to, load_f32(to) + sum[i][j]);
        }
}
#define GRADIENT_CASE(n, vectors) \
    case n: gradient_tile(g, x, d, rows, sums, n, vectors); break;
static void gradient(const Gradient *g) {
    Int row = (g->width + g->kernel - 1) * g->inputs, band = 1 + 63 / g->width;
    for (Int y = 0; y < g->height; y += band) {
        Int rows = smaller(band, g->height - y);
        for (Int tap = 0; tap < g->kernel * g->kernel; tap++)
            for (Int column = 0; column < g->outputs; column += COLUMNS * LANES)
                for (Int c = 0; c < g->inputs; c += ITEMS) {
                    const Unit *x = g->map + (y + tap / g->kernel) * row + tap % g->kernel * g->inputs + c;
                    const Unit *d = g->d + y * g->width * g->outputs + column;
                    float *sums = g->sums + (tap * g->inputs + c) * g->columns + column;
                    Int items = smaller(ITEMS, g->inputs - c);
                    if (g->outputs - column > LANES) switch (items) { CASES(GRADIENT_CASE, 2) }
                    else switch (items) { CASES(GRADIENT_CASE, 1) }
                }
    }
}
