/* Convolutions of stride 1 and the gradients of their weights, on the matrix tiles of AMX: what convolution.h does on vectors.
 *
 * A tile has 16 rows of 64 bytes. One instruction adds to 16 x 16 float32 sums the product of 16 rows of 32 bfloat16 and of
 * 16 rows of 16 pairs of bfloat16. Tiles 0 to 3 hold sums, 4 and 5 factors of whole size, 6 and 7 those of what is left of a
 * row that does not fill a tile, so that nothing past it is read.
 *
 * Forward, and back to the input, a tile's rows are 16 pixels of the padded map: neighbours of any tap lie at the same
 * distance. Where a map's width is no multiple of 16, tiles run on over the border to the next row, and what is computed
 * there is dropped. For the weights' gradient the rows are 16 outputs, the sums run over pixels, and every pair is the same
 * value of two images: the gradient of the outputs is turned (outputs by pixels), the map is read as it is, at any tap.
 *
 * Tests compile this with an emulation of the instructions in portable C, which they name as TILES.
 */
#ifdef TILES
#include TILES
#else
/* Written out, as the compilers' own say too little of the memory that they read and write. */
#define TILE_CONFIG(p) __asm__ volatile("ldtilecfg %0" ::"m"(*(p)) : "memory")
#define TILE_RELEASE() __asm__ volatile("tilerelease" ::: "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::: "memory")
#define TILE_LOAD(t, p, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"((const void *)(p)), "r"((Int)(stride)) : "memory")
#define TILE_STORE(t, p, stride) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"((void *)(p)), "r"((Int)(stride)) : "memory")
#define TILE_DOT(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")
#endif

enum { ROWS = 16, DEPTH = 32, BLOCK = 256, TILES_OF_SUMS = 4 }; /* rows; bfloat16 of a row; values of a tile of sums */

/* As the processor reads it. */
typedef struct {
    uint8_t palette, start_row, none[14];
    uint16_t bytes[16]; /* of a row, by tile */
    uint8_t rows[16];
} TileShapes;
static void tiles_open(Int rest) {
    TileShapes s = {.palette = 1};
    for (int t = 0; t < 8; t++) s.bytes[t] = 64, s.rows[t] = ROWS;
    if (rest) s.bytes[6] = (uint16_t)(2 * rest), s.rows[7] = (uint8_t)(rest / 2);
    TILE_CONFIG(&s);
}

/* Where a tile of 16 pixels begins: in the padded map, in a row of it, and in the result. */
typedef struct {
    Int at, left, pixel;
} Place;
/* The tiles of an image: within rows where these are so long, else one after the other, over the border. */
typedef struct {
    Int height, width, pitch, count; /* pitch: pixels from row to row of the map */
    Place *places;
} Walk;
static Walk walk_of(Int height, Int width, Int kernel) {
    Walk w = {height, width, width + kernel - 1, 0, NULL};
    if (kernel == 1) w.pitch = w.width = width * height, w.height = 1;
    int within = w.width % ROWS == 0;
    w.count = within ? w.height * w.width / ROWS : ((w.height - 1) * w.pitch + w.width + ROWS - 1) / ROWS;
    w.places = TAKE(Place, w.count);
    for (Int tile = 0; tile < w.count; tile++) {
        Int at = within ? tile * ROWS / w.width * w.pitch + tile * ROWS % w.width : tile * ROWS, left = at % w.pitch;
        w.places[tile] = (Place){at, left, at / w.pitch * w.width + smaller(left, w.width)};
    }
    return w;
}
/* The first pixels of a pointwise convolution's. */
static void walk_less(Walk *w, Int pixels) { w->width = w->pitch = pixels, w->count = (pixels + ROWS - 1) / ROWS; }

typedef struct {
    Walk walk;
    Item *own; /* the padded image, with the rows that the last tile reads past it */
    Int channels, kernel, room, row, length; /* items of a pixel, of a row of the map, of a window's row */
    const Unit *weights;
    Int outputs, columns;
    const float *bias;
    Ahead *ahead;
} Convolution;
static Convolution convolution_of(Int height, Int width, Int inputs, Int outputs, Int kernel, const float *weights,
                                  int transposed) {
    Int taps = kernel * kernel, room = inputs < 4 ? inputs : up(inputs, PAIR), columns = up(outputs, ROWS);
    Convolution c = {.walk = walk_of(height, width, kernel), .channels = inputs, .kernel = kernel, .room = room};
    Packing packing = {outputs, columns, kernel, inputs, room, inputs * taps, taps, 0};
    if (transposed) packing.output_step = taps, packing.input_step = outputs * taps, packing.flipped = 1;
    c.row = (width + kernel - 1) * room, c.length = up(kernel * room, PAIR);
    c.outputs = outputs, c.columns = columns, c.weights = pack(&packing, weights);
    c.own = TAKE_ZERO(Item, (height + kernel - 1) * c.row + ROWS * room + DEPTH);
    return c;
}
static void products_open(const Convolution *c) { tiles_open(c->length % DEPTH); }
static void products_close(void) { TILE_RELEASE(); }

/* Adds to the sums of `pixels` tiles of 16 pixels by `columns` tiles of 16 outputs, numbered column by column. */
INLINE void tile_step(const Item *const x[TILES_OF_SUMS], Int at, Int step, const Unit *w, Int line, const int pixels,
                      const int columns, const int rest) {
#define TILE_ROW(t, wide, narrow)                                                                   \
    if (rest) { TILE_LOAD(6, x[t % pixels] + at, 2 * step); TILE_DOT(t, 6, narrow); } \
    else { TILE_LOAD(4, x[t % pixels] + at, 2 * step); TILE_DOT(t, 4, wide); }
#define TILE_COLUMN(column)                          \
    if (rest) TILE_LOAD(7, w + column * ROWS, 4 * line); \
    else TILE_LOAD(5, w + column * ROWS, 4 * line);
    TILE_COLUMN(0)
    TILE_ROW(0, 5, 7)
    if (pixels > 1) { TILE_ROW(1, 5, 7) }
    if (pixels > 2) { TILE_ROW(2, 5, 7) }
    if (pixels > 3) { TILE_ROW(3, 5, 7) }
    if (columns == 1) return;
    TILE_COLUMN(1)
    if (pixels == 1) { TILE_ROW(1, 5, 7) }
    if (pixels > 1) { TILE_ROW(2, 5, 7) TILE_ROW(3, 5, 7) }
}
/* Those sums, as pixels of `line` values each. A tile's rows are longer than that where the last tile has fewer outputs than
 * 16; what is written too much the next row overwrites, as rows are stored in order and later tiles of pixels after them. */
INLINE void tile_sums(const Convolution *c, const Item *const x[TILES_OF_SUMS], Int column, Int line, float *sums, const int pixels,
                      const int columns) {
    const Unit *w = c->weights + column;
    const int count = pixels * columns;
    const float *bias = c->bias + column;
    Int rest = c->length % DEPTH, whole = c->length - rest, tile = ROWS * line;
#define TILE_OPEN(t)                                             \
    if (c->bias) TILE_LOAD(t, bias + t / pixels * ROWS, 0); \
    else TILE_ZERO(t);
    TILE_OPEN(0)
    if (count > 1) { TILE_OPEN(1) }
    if (count > 2) { TILE_OPEN(2) }
    if (count > 3) { TILE_OPEN(3) }
    for (Int k = 0; k < c->kernel; k++, w += c->length / PAIR * c->columns) {
        Int at = k * c->row;
        for (Int u = 0; u < whole; u += DEPTH) tile_step(x, at + u, c->room, w + u / PAIR * c->columns, c->columns, pixels, columns, 0);
        if (rest) tile_step(x, at + whole, c->room, w + whole / PAIR * c->columns, c->columns, pixels, columns, 1);
    }
#define TILE_CLOSE(t) TILE_STORE(t, sums + t / pixels * ROWS + t % pixels * tile, 4 * line);
    if (columns == 2 && pixels == 1) { TILE_CLOSE(1) }
    if (columns == 2 && pixels == 2) { TILE_CLOSE(2) TILE_CLOSE(3) }
    TILE_CLOSE(0)
    if (pixels > 1) { TILE_CLOSE(1) }
    if (pixels > 2) { TILE_CLOSE(2) }
    if (pixels > 3) { TILE_CLOSE(3) }
}
INLINE void round_values(const float *from, Value *to, Int count) {
    Int i = 0;
#if LANES == 16
    for (; i + 32 <= count; i += 32)
        _mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i)));
#endif
    for (; i + LANES <= count; i += LANES) STORE(to + i, load_f32(from + i));
    if (i < count) STORE_N(to + i, load_f32(from + i), (int)(count - i));
}
/* Round one tile's sums into the result, without what fell on the border. */
INLINE void tile_round(const Convolution *c, const float *sums, Place from, Int column, Int line, Value *out) {
    const Walk *w = &c->walk;
    Int pixels = w->height * w->width, left = from.left, pixel = from.pixel;
    for (Int i = 0; i < ROWS && pixel < pixels; i += w->pitch - left, left = 0) {
        Int count = smaller(ROWS - i, w->width - left);
        if (count <= 0) continue;
        Value *to = out + pixel * c->outputs + column;
        if (line == c->outputs) round_values(sums + i * line, to, count * line);
        else if (line == 2 * ROWS)
            for (Int k = 0; k < count; k++) round_values(sums + (i + k) * 2 * ROWS, to + k * c->outputs, 2 * ROWS);
        else
            for (Int k = 0; k < count; k++) round_values(sums + (i + k) * line, to + k * c->outputs, line);
        i += count, left += count, pixel += count;
    }
}
/* Sums of some tiles that wait to be rounded: a tile that was just stored cannot be loaded before it has reached the cache, so
 * the tiles after it are multiplied first. */
typedef struct {
    Place at[TILES_OF_SUMS];
    Int pixels, column, line;
    float sums[TILES_OF_SUMS * BLOCK + ROWS] __attribute__((aligned(64)));
} Waiting;
static void round_waiting(const Convolution *c, const Waiting *w, Value *out) {
    for (Int i = 0; i < w->pixels; i++) tile_round(c, w->sums + i * ROWS * w->line, w->at[i], w->column, w->line, out);
}
static void convolve(Convolution *c, const Value *x, Value *out, Int height, Int width) {
    Walk *walk = &c->walk;
    if (c->kernel == 1) walk_less(walk, height * width);
    /* In place only where a pixel is whole pairs: else the last one is read an item past the map. */
    int whole = c->kernel == 1 && c->room == c->channels && c->room % PAIR == 0 && walk->width >= ROWS;
    if (!whole) pad_items(x, c->own, height, width, c->channels, c->room, c->row, c->kernel / 2);
    const Item *map = whole ? x : c->own;
    Waiting room[2], *now = room, *before = room + 1;
    before->pixels = 0;
    for (Int column = 0; column < c->outputs; column += 2 * ROWS) {
        Int line = smaller(2 * ROWS, c->outputs - column), most = line > ROWS ? 2 : 4;
        for (Int tile = 0, pixels; tile < walk->count; tile += pixels) {
            const Item *from[TILES_OF_SUMS] = {NULL};
            Place *at = now->at;
            pixels = smaller(most, walk->count - tile);
            now->pixels = pixels, now->column = column, now->line = line;
            for (Int i = 0; i < pixels; i++) {
                at[i] = walk->places[tile + i];
                /* The last tile of a map that is read in place is put back to end with it. */
                if (whole && at[i].at > walk->width - ROWS) at[i].at = at[i].left = at[i].pixel = walk->width - ROWS;
                from[i] = map + at[i].at * c->room;
                fetch(c->ahead);
            }
            float *sums = now->sums;
            if (most == 2 && pixels == 2) tile_sums(c, from, column, line, sums, 2, 2);
            else if (most == 2) tile_sums(c, from, column, line, sums, 1, 2);
            else if (pixels == 4) tile_sums(c, from, column, line, sums, 4, 1);
            else if (pixels == 3) tile_sums(c, from, column, line, sums, 3, 1);
            else if (pixels == 2) tile_sums(c, from, column, line, sums, 2, 1);
            else tile_sums(c, from, column, line, sums, 1, 1);
            round_waiting(c, before, out);
            Waiting *swap = before;
            before = now, now = swap;
        }
    }
    round_waiting(c, before, out);
}

/* sums[outputs' block][tile][output][column] += d[pixel][output] * map[pixel + tap][column], over the pixels of two images;
 * the columns of a tile are 16 neighbouring units of a window's row. */
typedef struct {
    Walk walk;
    Unit *map, *turned; /* turned: [tile of pixels][outputs' block][output][pixel] */
    Int height, width, channels, kernel, outputs, blocks, across, tiles; /* across: tiles of a window's row */
    float *sums;
    Ahead *ahead;
} WeightGradient;
static WeightGradient weight_gradient_of(Int height, Int width, Int inputs, Int outputs, Int kernel) {
    WeightGradient w = {.walk = walk_of(height, width, kernel), .height = height, .width = width, .channels = inputs, .kernel = kernel};
    w.outputs = outputs, w.blocks = up(outputs, ROWS) / ROWS;
    w.across = up(kernel * inputs, ROWS) / ROWS, w.tiles = kernel * w.across;
    w.map = TAKE_ZERO(Unit, ((height + kernel - 1) * (width + kernel - 1) + ROWS) * inputs + ROWS);
    w.turned = TAKE(Unit, w.walk.count * w.blocks * BLOCK);
    w.sums = TAKE_ZERO(float, w.blocks * w.tiles * BLOCK);
    return w;
}

/* The same n values of two images, the second of which may be missing, as ROWS pairs. */
INLINE void pair_line(const Value *a, const Value *b, Int n, Unit *out) {
    for (Int j = 0; j < ROWS; j += LANES) {
        Int left = n - j;
        vu low = {}, high = {};
        if (left >= LANES) low = (vu)LOAD(a + j), high = b ? (vu)LOAD(b + j) : high;
        else if (left > 0) low = (vu)LOAD_N(a + j, (int)left), high = b ? (vu)LOAD_N(b + j, (int)left) : high;
        store_f32((float *)(out + j), (vf)(high | (low >> 16)));
    }
}
/* out[j][i] = in[i][j] */
static void turn(const Unit *in, Unit *out) {
#if LANES == 16
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_load_si512(in + 16 * i);
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            a[4 * i + 2 * j] = _mm512_unpacklo_epi64(b[4 * i + j], b[4 * i + 2 + j]);
            a[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(b[4 * i + j], b[4 * i + 2 + j]);
        }
    /* a[4 i + j] holds, in its quarters q, column 4 q + j of the rows 4 i to 4 i + 3 */
    for (int j = 0; j < 4; j++) {
        __m512i low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88), high = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        __m512i low2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88), high2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        _mm512_store_si512(out + 16 * j, _mm512_shuffle_i32x4(low, low2, 0x88));
        _mm512_store_si512(out + 16 * (j + 8), _mm512_shuffle_i32x4(low, low2, 0xdd));
        _mm512_store_si512(out + 16 * (j + 4), _mm512_shuffle_i32x4(high, high2, 0x88));
        _mm512_store_si512(out + 16 * (j + 12), _mm512_shuffle_i32x4(high, high2, 0xdd));
    }
#else
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++) out[ROWS * j + i] = in[ROWS * i + j];
#endif
}
/* Turn the outputs' gradients of two images, or the first and the second half of the pixels; zero where the border is. */
static void turn_pixels(WeightGradient *w, const Value *a, const Value *b) {
    const Walk *walk = &w->walk;
    Int pixels = walk->height * walk->width;
    Unit lines[BLOCK] __attribute__((aligned(64)));
    for (Int tile = 0; tile < walk->count; tile++)
        for (Int block = 0; block < w->blocks; block++) {
            Int column = block * ROWS, n = w->outputs - column;
            Int left = walk->places[tile].left, pixel = walk->places[tile].pixel;
            for (int i = 0; i < ROWS; i++) {
                if (left < walk->width && pixel < pixels) {
                    Int from = pixel * w->outputs + column;
                    pair_line(a + from, b ? b + from : NULL, n, lines + ROWS * i);
                    pixel++;
                } else memset(lines + ROWS * i, 0, sizeof(Unit) * ROWS);
                if (++left == walk->pitch) left = 0;
            }
            turn(lines, w->turned + (tile * w->blocks + block) * BLOCK);
            fetch(w->ahead);
        }
}
INLINE void tile_gradient(const WeightGradient *w, Int block, const Unit *const from[TILES_OF_SUMS], float *sums, const int count) {
    const Unit *d = w->turned + block * BLOCK;
    Int step = 4 * w->channels;
    TILE_LOAD(0, sums, 64);
    if (count > 1) TILE_LOAD(1, sums + BLOCK, 64);
    if (count > 2) TILE_LOAD(2, sums + 2 * BLOCK, 64);
    if (count > 3) TILE_LOAD(3, sums + 3 * BLOCK, 64);
    for (Int tile = 0; tile < w->walk.count; tile++, d += w->blocks * BLOCK) {
        Int at = w->walk.places[tile].at * w->channels;
        TILE_LOAD(4, d, 64);
        TILE_LOAD(5, from[0] + at, step);
        TILE_DOT(0, 4, 5);
        if (count > 1) { TILE_LOAD(5, from[1] + at, step); TILE_DOT(1, 4, 5); }
        if (count > 2) { TILE_LOAD(5, from[2] + at, step); TILE_DOT(2, 4, 5); }
        if (count > 3) { TILE_LOAD(5, from[3] + at, step); TILE_DOT(3, 4, 5); }
    }
    TILE_STORE(0, sums, 64);
    if (count > 1) TILE_STORE(1, sums + BLOCK, 64);
    if (count > 2) TILE_STORE(2, sums + 2 * BLOCK, 64);
    if (count > 3) TILE_STORE(3, sums + 3 * BLOCK, 64);
}
static void gradients(const WeightGradient *w) {
    Int row = (w->width + w->kernel - 1) * w->channels;
    for (Int block = 0; block < w->blocks; block++)
        for (Int tile = 0; tile < w->tiles; tile += TILES_OF_SUMS) {
            const Unit *from[TILES_OF_SUMS] = {w->map};
            Int count = smaller(TILES_OF_SUMS, w->tiles - tile);
            for (Int t = 0; t < count; t++) from[t] = w->map + (tile + t) / w->across * row + (tile + t) % w->across * ROWS;
            float *sums = w->sums + (block * w->tiles + tile) * BLOCK;
            switch (count) {
            case 1: tile_gradient(w, block, from, sums, 1); break;
            case 2: tile_gradient(w, block, from, sums, 2); break;
            case 3: tile_gradient(w, block, from, sums, 3); break;
            default: tile_gradient(w, block, from, sums, 4); break;
            }
        }
}
/* A pointwise one, over pixels of which the second half may be some short of the first. */
static void add_pixels(WeightGradient *w, const Value *x, const Value *d, Int pixels, Int outputs) {
    Int first = (pixels + 1) / 2, inputs = w->channels;
    walk_less(&w->walk, first);
    pair_values(x, x + first * inputs, w->map, first * inputs);
    turn_pixels(w, d, d + first * outputs);
    gradients(w);
}
static void add_gradient(WeightGradient *w, const Value *const x[2], const Value *const d[2]) {
    pad_pairs(x[0], x[1], w->map, w->height, w->width, w->channels, w->kernel / 2);
    turn_pixels(w, d[0], d[1]);
    gradients(w);
}
static void finish_gradient(const WeightGradient *w, float *out) { /* [output][input][tap] */
    Int taps = w->kernel * w->kernel, inputs = w->channels;
    for (Int o = 0; o < w->outputs; o++)
        for (Int t = 0; t < taps; t++)
            for (Int c = 0; c < inputs; c++) {
                Int at = t % w->kernel * inputs + c, tile = t / w->kernel * w->across + at / ROWS;
                const float *sums = w->sums + (o / ROWS * w->tiles + tile) * BLOCK;
                out[(o * inputs + c) * taps + t] = sums[o % ROWS * ROWS + at % ROWS];
            }
}
