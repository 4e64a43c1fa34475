/* Convolutions as products of matrices: an image's padded map times packed weights, and the gradient of the weights.
 *
 * A map is read as 32-bit units. In a product with weights a unit is a pair of neighbouring channels (one float32
 * where products are not paired), broadcast against LANES output channels. In a gradient of weights it is the same
 * channel of two images, so that neighbours of any tap pair up alike.
 */
enum { PIXELS = LANES == 8 ? 6 : 8, ITEMS = PIXELS, COLUMNS = 2, MANY = LANES == 8 ? 8 : 16 };

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
/* Write an image inside a zeroed map with a border, `room` items a pixel and `row` a row. */
static void pad_items(const Value *x, Item *out, Int height, Int width, Int channels, Int room, Int row, Int border) {
    for (Int y = 0; y < height; y++) {
        const Value *from = x + y * width * channels;
        Item *to = out + (y + border) * row + border * room;
        if (channels == room) copy_items(from, to, width * channels);
        else
            for (Int p = 0; p < width; p++) copy_items(from + p * channels, to + p * room, channels);
    }
}
#if PAIRED && !AMX
INLINE vu pair(vf a, vf b) {
    return widen_bits(narrow(a)) | (widen_bits(narrow(b)) << 16);
}
#endif
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
/* Weights of a product: `outputs` columns (rounded up to whole vectors) for every item of a window, whose rows begin
 * at whole units. */
typedef struct {
    Int outputs, columns;        /* as asked, and rounded up */
    Int kernel, inputs, room;    /* side of the window, channels of its pixels, and items kept for each */
    Int output_step, input_step; /* in the float weights, where taps are neighbours */
    int flipped;                 /* taps from last to first */
} Packing;
static const Unit *pack(const Packing *p, const float *weights) {
    Int line = up(p->kernel * p->room, PAIR), taps = p->kernel * p->kernel;
    Item *out = TAKE_ZERO(Item, p->kernel * line * p->columns);
    for (Int t = 0; t < taps; t++)
        for (Int c = 0; c < p->inputs; c++) {
            Int at = t / p->kernel * line + t % p->kernel * p->room + c;
            Item *to = out + at / PAIR * p->columns * PAIR + at % PAIR;
            const float *from = weights + c * p->input_step + (p->flipped ? taps - 1 - t : t);
            for (Int o = 0; o < p->outputs; o++) to[o * PAIR] = item_of(from[o * p->output_step]);
        }
    return (const Unit *)out;
}

#if !AMX
typedef struct {
    const Item *map;    /* with its border */
    Int height, width;  /* of the result */
    Int kernel;         /* rows of a window */
    Int step, row;      /* items from a pixel to the next, and from a row to the next */
    Int length;         /* units of a window's row */
    const Unit *weights;
    Int outputs, columns;
    const float *bias;  /* `columns` values, or NULL */
    Value *result;
    float *sums; /* results in float32 instead, where not NULL */
    Ahead *ahead;
} Product;

INLINE void product_tile(const Product *p, const Item *x, Int column, Int at, const int pixels, const int vectors) {
    vf sum[MANY][COLUMNS];
    for (int i = 0; i < pixels; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = p->bias ? load_f32(p->bias + column + j * LANES) : (vf){};
    const Unit *w = p->weights + column;
    Int step = p->step, length = p->length, columns = p->columns;
    for (Int k = 0; k < p->kernel; k++) {
        const Item *from = x + k * p->row;
        for (Int u = 0; u < length; u++, w += columns) {
            vu line[COLUMNS];
            for (int j = 0; j < vectors; j++) line[j] = load_units(w + j * LANES);
            for (int i = 0; i < pixels; i++) {
                Each item = splat_unit(from + i * step + u * PAIR);
                for (int j = 0; j < vectors; j++) sum[i][j] = dot(sum[i][j], item, line[j]);
            }
        }
    }
    if (p->sums) { /* whole vectors only */
        for (int i = 0; i < pixels; i++)
            for (int j = 0; j < vectors; j++) store_f32(p->sums + at + i * p->outputs + j * LANES, sum[i][j]);
        return;
    }
    int last = (vectors - 1) * LANES; /* of the vectors only the last may be a part of one */
    Int left = p->outputs - column - last;
    Value *out = p->result + at;
    for (int i = 0; i < pixels; i++, out += p->outputs) {
        for (int j = 0; j < vectors - 1; j++) STORE(out + j * LANES, sum[i][j]);
        if (left >= LANES) STORE(out + last, sum[i][vectors - 1]);
        else STORE_N(out + last, sum[i][vectors - 1], (int)left);
    }
}
#define PRODUCT_CASE(n, vectors) \
    case n: product_tile(p, x, column, at, n, vectors); break;
#if LANES == 8
#define CASES(M, vectors) M(1, vectors) M(2, vectors) M(3, vectors) M(4, vectors) M(5, vectors) M(6, vectors)
#else
#define CASES(M, vectors) \
    M(1, vectors) M(2, vectors) M(3, vectors) M(4, vectors) M(5, vectors) M(6, vectors) M(7, vectors) M(8, vectors)
#endif
/* Of what is left, the next tile's: one small tile after many whole ones would wait for its own few sums. */
INLINE int taken_of(Int left, const int most) {
    if (most == 6 && (left == 7 || left == 8)) return 4;
    return (int)smaller(most, left);
}
static void product(const Product *p) {
    for (Int column = 0; column < p->outputs; column += COLUMNS * LANES) {
        int wide = p->outputs - column > LANES;
        for (Int y = 0; y < p->height; y++)
            for (Int from = 0, pixels; from < p->width; from += pixels) {
                const Item *x = p->map + y * p->row + from * p->step;
                Int at = (y * p->width + from) * p->outputs + column;
                pixels = p->width - from;
                fetch(p->ahead);
                if (!wide && pixels >= MANY) { /* registers for twice as many */
                    pixels = MANY;
                    product_tile(p, x, column, at, MANY, 1);
                    continue;
                }
                pixels = taken_of(pixels, PIXELS);
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
    Ahead *ahead;
} Gradient;

INLINE void gradient_tile(const Gradient *g, const Unit *x, const Unit *d, Int rows, float *sums, const int items,
                          const int vectors) {
    vf sum[MANY][COLUMNS];
    for (int i = 0; i < items; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = (vf){};
    Int width = g->width, inputs = g->inputs, outputs = g->outputs, row = (g->width + g->kernel - 1) * inputs;
    for (Int y = 0; y < rows; y++) {
        const Unit *px = x + y * row, *pd = d + y * width * outputs;
        for (Int p = 0; p < width; p++, px += inputs, pd += outputs) {
            vu line[COLUMNS];
            for (int j = 0; j < vectors; j++) line[j] = load_units(pd + j * LANES);
            for (int i = 0; i < items; i++) {
                Each item = splat_unit(px + i);
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
/* Few channels: all nine taps of each at once, in registers, for LANES columns. */
INLINE void narrow_tile(const Gradient *g, const Unit *x, const Unit *d, Int rows, float *sums, const int inputs) {
    vf sum[27];
    for (int i = 0; i < 9 * inputs; i++) sum[i] = (vf){};
    Int row = (g->width + 2) * inputs;
    for (Int y = 0; y < rows; y++) {
        const Unit *a = x + y * row, *b = a + row, *c = b + row, *pd = d + y * g->width * g->outputs;
        for (Int p = 0; p < g->width; p++, a += inputs, b += inputs, c += inputs, pd += g->outputs) {
            vu line = load_units(pd);
            for (int i = 0; i < 3 * inputs; i++) {
                sum[i] = dot(sum[i], splat_unit(a + i), line);
                sum[3 * inputs + i] = dot(sum[3 * inputs + i], splat_unit(b + i), line);
                sum[6 * inputs + i] = dot(sum[6 * inputs + i], splat_unit(c + i), line);
            }
        }
    }
    for (int i = 0; i < 9 * inputs; i++) store_f32(sums + i * g->columns, load_f32(sums + i * g->columns) + sum[i]);
}
static void narrow_gradient(const Gradient *g) {
    Int row = (g->width + 2) * g->inputs, band = 1 + 63 / g->width;
    for (Int y = 0; y < g->height; y += band)
        for (Int column = 0; column < g->outputs; column += LANES) {
            const Unit *x = g->map + y * row, *d = g->d + y * g->width * g->outputs + column;
            Int rows = smaller(band, g->height - y);
            for (int k = 0; k < 4; k++) fetch(g->ahead);
            if (g->inputs == 1) narrow_tile(g, x, d, rows, g->sums + column, 1);
            else if (g->inputs == 2) narrow_tile(g, x, d, rows, g->sums + column, 2);
            else narrow_tile(g, x, d, rows, g->sums + column, 3);
        }
}
enum { BAND = 128 };
#define GRADIENT_CASE(n, vectors) \
    case n: gradient_tile(g, x, d, rows, sums, n, vectors); break;
static void gradient(const Gradient *g) {
    if (g->kernel == 3 && g->inputs < 4) {
        narrow_gradient(g);
        return;
    }
    if (g->kernel == 1 && g->width > 2 * BAND) { /* pixels by the cacheful */
        Gradient part = *g;
        for (Int from = 0; from < g->width; from += BAND) {
            part.width = smaller(BAND, g->width - from);
            part.map = g->map + from * g->inputs, part.d = g->d + from * g->outputs;
            gradient(&part);
        }
        return;
    }
    Int row = (g->width + g->kernel - 1) * g->inputs, band = 1 + 63 / g->width;
    for (Int y = 0; y < g->height; y += band) {
        Int rows = smaller(band, g->height - y);
        for (Int tap = 0; tap < g->kernel * g->kernel; tap++)
            for (Int column = 0; column < g->outputs; column += COLUMNS * LANES)
                for (Int c = 0, items; c < g->inputs; c += items) {
                    const Unit *x = g->map + (y + tap / g->kernel) * row + tap % g->kernel * g->inputs + c;
                    const Unit *d = g->d + y * g->width * g->outputs + column;
                    float *sums = g->sums + (tap * g->inputs + c) * g->columns + column;
                    int wide = g->outputs - column > LANES;
                    items = g->inputs - c;
                    fetch(g->ahead);
                    if (!wide && items >= MANY) {
                        items = MANY;
                        gradient_tile(g, x, d, rows, sums, MANY, 1);
                        continue;
                    }
                    items = taken_of(items, ITEMS);
                    if (wide) switch (items) { CASES(GRADIENT_CASE, 2) }
                    else switch (items) { CASES(GRADIENT_CASE, 1) }
                }
    }
}
#endif
