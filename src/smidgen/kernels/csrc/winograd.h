/* Convolutions of 3 x 3 by Winograd's F(2 x 2, 3 x 3): 16 products where the direct way takes 36.
 *
 * A tile of 4 x 4 inputs gives 2 x 2 results: Y = A' [(G w G') * (B' d B)] A, with the product in brackets taken
 * element by element and summed over channels, so that each of the 16 elements is a matrix product over tiles. The
 * gradient of the weights is the same algebra transposed: dw = G' [sum of (B' d B) * (A dy A')] G.
 * Source: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016, section 4.1.
 */
enum { FREQUENCIES = 16 };

/* Below these the transforms cost what the products save. */
static int winograd_pays(Int inputs, Int outputs, Int kernel, Int height, Int width) {
    Int least = PAIRED || LANES == 8 ? 32 : 16;
    return kernel == 3 && inputs % LANES == 0 && outputs % LANES == 0 && inputs >= least && outputs >= least && height > 2 && width > 2;
}

typedef struct {
    Int height, width, down, across; /* of the map, and in tiles */
    Int channels, row;               /* items of a padded row */
    Item *map;                       /* padded to whole tiles */
} Tiles;
static Tiles tiles_of(Int height, Int width, Int channels) {
    Tiles t = {height, width, (height + 1) / 2, (width + 1) / 2, channels, 0, NULL};
    t.row = (2 * t.across + 2) * channels;
    t.map = TAKE_ZERO(Item, (2 * t.down + 2) * t.row);
    return t;
}

/* B' d B of one vector of channels. */
INLINE void transform_input(const Item *d, Int row, Int step, vf *out) {
    vf t[4][4];
    for (int j = 0; j < 4; j++) {
        vf a = LOAD(d + j * step), b = LOAD(d + row + j * step);
        vf c = LOAD(d + 2 * row + j * step), e = LOAD(d + 3 * row + j * step);
        t[0][j] = a - c, t[1][j] = b + c, t[2][j] = c - b, t[3][j] = b - e;
    }
    for (int i = 0; i < 4; i++) {
        out[4 * i] = t[i][0] - t[i][2], out[4 * i + 1] = t[i][1] + t[i][2];
        out[4 * i + 2] = t[i][2] - t[i][1], out[4 * i + 3] = t[i][1] - t[i][3];
    }
}
/* A dy A' of one vector of channels; rows and columns past the map count as zero. */
INLINE void transform_gradient(const Value *d, Int row, Int step, int tall, int wide, vf *out) {
    vf none = {}, a = LOAD(d), b = wide ? LOAD(d + step) : none;
    vf c = tall ? LOAD(d + row) : none, e = tall && wide ? LOAD(d + row + step) : none;
    vf t[4][2] = {{a, b}, {a + c, b + e}, {a - c, b - e}, {-c, -e}};
    for (int i = 0; i < 4; i++)
        out[4 * i] = t[i][0], out[4 * i + 1] = t[i][0] + t[i][1], out[4 * i + 2] = t[i][0] - t[i][1], out[4 * i + 3] = -t[i][1];
}
/* A' m A of one vector of channels, m in float32 with `step` values between elements. */
INLINE void transform_output(const float *m, Int step, vf out[2][2]) {
    vf t[2][4];
    for (int j = 0; j < 4; j++) {
        vf a = load_f32(m + j * step), b = load_f32(m + (4 + j) * step);
        vf c = load_f32(m + (8 + j) * step), d = load_f32(m + (12 + j) * step);
        t[0][j] = a + b + c, t[1][j] = b - c - d;
    }
    for (int i = 0; i < 2; i++) out[i][0] = t[i][0] + t[i][1] + t[i][2], out[i][1] = t[i][1] - t[i][2] - t[i][3];
}
/* G w G' */
static void transform_weights(const float *w, int flipped, float out[16]) {
    float t[4][3];
    for (int j = 0; j < 3; j++) {
        float a = w[flipped ? 8 - j : j], b = w[flipped ? 5 - j : 3 + j], c = w[flipped ? 2 - j : 6 + j];
        t[0][j] = a, t[1][j] = 0.5f * (a + b + c), t[2][j] = 0.5f * (a - b + c), t[3][j] = c;
    }
    for (int i = 0; i < 4; i++) {
        float a = t[i][0], b = t[i][1], c = t[i][2];
        out[4 * i] = a, out[4 * i + 1] = 0.5f * (a + b + c), out[4 * i + 2] = 0.5f * (a - b + c), out[4 * i + 3] = c;
    }
}
/* G' s G */
static void transform_back(const float s[16], float out[9]) {
    float t[3][4];
    for (int j = 0; j < 4; j++) {
        float a = s[j], b = s[4 + j], c = s[8 + j], d = s[12 + j];
        t[0][j] = a + 0.5f * (b + c), t[1][j] = 0.5f * (b - c), t[2][j] = 0.5f * (b + c) + d;
    }
    for (int i = 0; i < 3; i++) {
        float a = t[i][0], b = t[i][1], c = t[i][2], d = t[i][3];
        out[3 * i] = a + 0.5f * (b + c), out[3 * i + 1] = 0.5f * (b - c), out[3 * i + 2] = 0.5f * (b + c) + d;
    }
}

typedef struct {
    Tiles tiles;
    Int outputs, batch; /* tile rows transformed at a time */
    const Unit *weights;
    Item *inputs; /* [frequency][tile][channel] */
    float *sums;  /* [frequency][tile][output] */
    Ahead *ahead;
} Winograd;
static Winograd winograd_of(Int height, Int width, Int inputs, Int outputs, const float *weights, int transposed) {
    Winograd w = {.tiles = tiles_of(height, width, inputs), .outputs = outputs};
    Item *packed = TAKE(Item, FREQUENCIES * inputs * outputs);
    for (Int o = 0; o < outputs; o++)
        for (Int c = 0; c < inputs; c++) {
            float u[16];
            transform_weights(weights + 9 * (transposed ? c * outputs + o : o * inputs + c), transposed, u);
            Item *to = packed + (c / PAIR * outputs + o) * PAIR + c % PAIR;
            for (int f = 0; f < FREQUENCIES; f++) to[f * inputs * outputs] = item_of(u[f]);
        }
    w.weights = (const Unit *)packed;
    w.batch = smaller(w.tiles.down, (PIXELS + w.tiles.across - 1) / w.tiles.across);
    w.inputs = TAKE(Item, FREQUENCIES * w.batch * w.tiles.across * inputs);
    w.sums = TAKE(float, FREQUENCIES * w.batch * w.tiles.across * outputs);
    return w;
}
static void winograd_rows(const Winograd *w, Int first, Int rows, Value *out) {
    const Tiles *t = &w->tiles;
    Int count = rows * t->across, inputs = t->channels, outputs = w->outputs;
    for (Int tile = 0; tile < count; tile++) {
        const Item *d = t->map + 2 * (first + tile / t->across) * t->row + 2 * (tile % t->across) * inputs;
        for (Int c = 0; c < inputs; c += LANES) {
            vf v[FREQUENCIES];
            transform_input(d + c, t->row, inputs, v);
            for (int f = 0; f < FREQUENCIES; f++) STORE(w->inputs + (f * count + tile) * inputs + c, v[f]);
        }
    }
    for (int f = 0; f < FREQUENCIES; f++) {
        Product p = {w->inputs + f * count * inputs, 1, count, 1, inputs, 0, inputs / PAIR,
                     w->weights + f * (inputs / PAIR) * outputs, outputs, outputs, NULL, NULL, w->sums + f * count * outputs, w->ahead};
        product(&p);
    }
    for (Int tile = 0; tile < count; tile++) {
        Int y = 2 * (first + tile / t->across), x = 2 * (tile % t->across);
        for (Int o = 0; o < outputs; o += LANES) {
            vf v[2][2];
            transform_output(w->sums + tile * outputs + o, count * outputs, v);
            Value *to = out + (y * t->width + x) * outputs + o;
            STORE(to, v[0][0]);
            if (x + 1 < t->width) STORE(to + outputs, v[0][1]);
            if (y + 1 >= t->height) continue;
            STORE(to + t->width * outputs, v[1][0]);
            if (x + 1 < t->width) STORE(to + (t->width + 1) * outputs, v[1][1]);
        }
    }
}
static void winograd(const Winograd *w, const Value *x, Value *out) {
    const Tiles *t = &w->tiles;
    pad_items(x, t->map, t->height, t->width, t->channels, t->channels, t->row, 1);
    for (Int y = 0; y < t->down; y += w->batch) winograd_rows(w, y, smaller(w->batch, t->down - y), out);
}

/* The gradient of the weights, over PAIR images at a time. */
typedef struct {
    Tiles tiles[2];
    Gradient gradient; /* of one frequency */
    Unit *inputs, *d;  /* [frequency][tile][channel] */
    float *sums;       /* [frequency][input][output] */
} WinogradGradient;
static WinogradGradient winograd_gradient_of(Int height, Int width, Int inputs, Int outputs) {
    WinogradGradient w;
    for (int j = 0; j < PAIR; j++) w.tiles[j] = tiles_of(height, width, inputs);
    Int count = w.tiles[0].down * w.tiles[0].across;
    w.inputs = TAKE(Unit, FREQUENCIES * count * inputs);
    w.d = TAKE(Unit, FREQUENCIES * count * outputs);
    w.sums = TAKE_ZERO(float, FREQUENCIES * inputs * outputs);
    w.gradient = (Gradient){NULL, NULL, 1, count, 1, inputs, outputs, outputs, NULL, NULL};
    return w;
}
INLINE void store_pairs(Unit *to, Int step, const vf *a, const vf *b) {
    for (int f = 0; f < FREQUENCIES; f++) {
#if PAIRED
        store_f32((float *)(to + f * step), (vf)pair(a[f], b[f]));
#else
        (void)b;
        store_f32((float *)(to + f * step), a[f]);
#endif
    }
}
static void winograd_add(WinogradGradient *w, const Value *const x[2], const Value *const d[2]) {
    const Tiles *t = &w->tiles[0];
    Int count = t->down * t->across, inputs = t->channels, outputs = w->gradient.outputs, row = t->width * outputs;
    for (int j = 0; j < PAIR; j++)
        if (x[j]) pad_items(x[j], w->tiles[j].map, t->height, t->width, inputs, inputs, t->row, 1);
    for (Int tile = 0; tile < count; tile++) {
        Int y = 2 * (tile / t->across), px = 2 * (tile % t->across);
        vf a[FREQUENCIES], b[FREQUENCIES] = {};
        for (Int c = 0; c < inputs; c += LANES) {
            transform_input(t->map + y * t->row + px * inputs + c, t->row, inputs, a);
            if (PAIR == 2 && x[1]) transform_input(w->tiles[PAIR - 1].map + y * t->row + px * inputs + c, t->row, inputs, b);
            store_pairs(w->inputs + tile * inputs + c, count * inputs, a, b);
        }
        Int at = y * row + px * outputs;
        int tall = y + 1 < t->height, wide = px + 1 < t->width;
        for (Int o = 0; o < outputs; o += LANES) {
            transform_gradient(d[0] + at + o, row, outputs, tall, wide, a);
            if (PAIR == 2 && d[1]) transform_gradient(d[1] + at + o, row, outputs, tall, wide, b);
            else
                for (int f = 0; f < FREQUENCIES; f++) b[f] = (vf){};
            store_pairs(w->d + tile * outputs + o, count * outputs, a, b);
        }
    }
    for (int f = 0; f < FREQUENCIES; f++) {
        Gradient *g = &w->gradient;
        g->map = w->inputs + f * count * inputs, g->d = w->d + f * count * outputs, g->sums = w->sums + f * inputs * outputs;
        gradient(g);
    }
}
static void winograd_finish(const WinogradGradient *w, float *out) { /* [output][input][tap] */
    Int inputs = w->gradient.inputs, outputs = w->gradient.outputs;
    for (Int c = 0; c < inputs; c++)
        for (Int o = 0; o < outputs; o++) {
            float s[FREQUENCIES];
            for (int f = 0; f < FREQUENCIES; f++) s[f] = w->sums[(f * inputs + c) * outputs + o];
            transform_back(s, out + 9 * (o * inputs + c));
        }
}
