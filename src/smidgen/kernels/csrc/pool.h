/* Max pooling, alone and with the blur that follows it at stride 1, forward and backward, one image at a time.
 *
 * Where a pixel's channels take no whole vector, work is done on float32 rows: pixels are stored in ascending order
 * and each overwrites what its neighbour spilled.
 */
typedef struct {
    Int height, width, channels;          /* of the input */
    Int tall, wide, stride;               /* of the windows */
    Int out_height, out_width;
    float *row[8];                        /* scratch, each as long as a row of the input */
    float *map;                           /* scratch, as large as the input */
    float *under;                         /* scratch: of a row, a vector after the other of its channels */
    Int *index;                           /* three places and three weights for each row, then for each column */
} Pool;

INLINE void rows_in(const Value *x, float *out, Int count) {
    Int i = 0;
    for (; i + LANES <= count; i += LANES) store_f32(out + i, LOAD(x + i));
    if (i < count) store_f32(out + i, LOAD_N(x + i, (int)(count - i)));
}
INLINE void rows_out(const float *x, Value *out, Int count) {
    Int i = 0;
    for (; i + LANES <= count; i += LANES) STORE(out + i, load_f32(x + i));
    if (i < count) STORE_N(out + i, load_f32(x + i), (int)(count - i));
}

/* Two by two at stride 2. */
static void max_forward(const Pool *p, const Value *x, Value *y) {
    Int c = p->channels, count = p->width * c, out_count = p->out_width * c;
    float *tall = p->row[0], *out = p->row[1];
    for (Int r = 0; r < p->out_height; r++, y += out_count) {
        const Value *top = x + 2 * r * count, *low = top + count;
        if (c >= LANES) {
            for (Int k = 0; k < p->out_width; k++)
                for (Int v = 0; v < c; v += LANES) {
                    Int i = 2 * k * c + whole_vector(v, c);
                    __builtin_prefetch(top + i + SOON), __builtin_prefetch(top + i + c + SOON);
                    __builtin_prefetch(low + i + SOON), __builtin_prefetch(low + i + c + SOON);
                    STORE(y + i - k * c, larger(larger(LOAD(top + i), LOAD(top + i + c)), larger(LOAD(low + i), LOAD(low + i + c))));
                }
            continue;
        }
        Int i = 0;
        for (; i + LANES <= count; i += LANES) store_f32(tall + i, larger(LOAD(top + i), LOAD(low + i)));
        if (i < count) {
            int n = (int)(count - i);
            store_f32(tall + i, larger(LOAD_N(top + i, n), LOAD_N(low + i, n)));
        }
        for (Int k = 0; k < p->out_width; k++)
            store_f32(out + k * c, larger(load_f32(tall + 2 * k * c), load_f32(tall + 2 * k * c + c)));
        rows_out(out, y, out_count);
    }
}
/* The gradient goes to the first of the largest values, as in torch: to the fourth where none of three is as large. */
typedef struct {
    vf a, b, c, d;
} Four;
INLINE Four to_first(vf a, vf b, vf c, vf top, vf g) {
    vf none = {};
    vi at_a = ~(a < top), at_b = ~(b < top) & ~at_a, at_c = ~(c < top) & ~at_a & ~at_b;
    return (Four){choose(at_a, g, none), choose(at_b, g, none), choose(at_c, g, none), choose(at_a | at_b | at_c, none, g)};
}
/* Two rows of gradients from one, of channels that take no whole vector. */
static void max_scatter(const Pool *p, const float *top, const float *low, const float *g, float *dtop, float *dlow) {
    Int c = p->channels;
    for (Int k = 0; k < p->out_width; k++) {
        Int at = 2 * k * c;
        vf a = load_f32(top + at), b = load_f32(top + at + c), d = load_f32(low + at), e = load_f32(low + at + c);
        Four f = to_first(a, b, d, larger(larger(a, b), larger(d, e)), load_f32(g + k * c));
        store_f32(dtop + at, f.a), store_f32(dtop + at + c, f.b);
        store_f32(dlow + at, f.c), store_f32(dlow + at + c, f.d);
    }
}
static void max_backward_rows(const Pool *p, const Value *x, const Value *dy, Value *dx) {
    Int c = p->channels, count = p->width * c;
    float *top = p->row[0], *low = p->row[1], *g = p->row[2], *dtop = p->row[3], *dlow = p->row[4];
    rows_in(x, top, count);
    rows_in(x + count, low, count);
    rows_in(dy, g, p->out_width * c);
    max_scatter(p, top, low, g, dtop, dlow);
    rows_out(dtop, dx, 2 * p->out_width * c);
    rows_out(dlow, dx + count, 2 * p->out_width * c);
}
static void max_backward_vectors(const Pool *p, const Value *x, const Value *dy, Value *dx) {
    Int c = p->channels, count = p->width * c;
    for (Int k = 0; k < p->out_width; k++, x += 2 * c, dx += 2 * c, dy += c)
        for (Int v = 0; v < c; v += LANES) {
            Int j = whole_vector(v, c);
            const Value *low = x + count + j;
            __builtin_prefetch(x + j + SOON), __builtin_prefetch(x + c + j + SOON), __builtin_prefetch(dx + j + SOON, 1);
            __builtin_prefetch(low + SOON), __builtin_prefetch(low + c + SOON), __builtin_prefetch(dx + c + j + SOON, 1);
            __builtin_prefetch(dx + count + j + SOON, 1), __builtin_prefetch(dx + count + c + j + SOON, 1);
            vf a = LOAD(x + j), b = LOAD(x + c + j), d = LOAD(low), e = LOAD(low + c);
            Four f = to_first(a, b, d, larger(larger(a, b), larger(d, e)), LOAD(dy + j));
            STORE(dx + j, f.a), STORE(dx + c + j, f.b);
            STORE(dx + count + j, f.c), STORE(dx + count + c + j, f.d);
        }
}
static void max_backward(const Pool *p, const Value *x, const Value *dy, Value *dx) {
    Int c = p->channels, count = p->width * c;
    for (Int r = 0; r < p->out_height; r++) {
        Int at = 2 * r * count;
        (c < LANES ? max_backward_rows : max_backward_vectors)(p, x + at, dy + r * p->out_width * c, dx + at);
        if (p->width % 2) {
            memset(dx + at + count - c, 0, sizeof(Value) * (size_t)c);
            memset(dx + at + 2 * count - c, 0, sizeof(Value) * (size_t)c);
        }
    }
    if (p->height % 2) memset(dx + (p->height - 1) * count, 0, sizeof(Value) * (size_t)count);
}

/* Any window at any stride, a pixel of the result after the other, its channels by the vector. */
static void largest_forward(const Pool *p, const Value *x, Value *y) {
    Int c = p->channels, count = p->width * c;
    for (Int r = 0; r < p->out_height; r++)
        for (Int k = 0; k < p->out_width; k++, y += c)
            for (Int v = 0; v < c; v += LANES) {
                const Value *from = x + r * p->stride * count + k * p->stride * c + v;
                vf most = load_some(from, c - v);
                for (Int t = 1; t < p->tall * p->wide; t++)
                    most = larger(most, load_some(from + t / p->wide * count + t % p->wide * c, c - v));
                store_some(y + v, most, c - v);
            }
}
static void largest_backward(const Pool *p, const Value *x, const Value *dy, Value *dx) {
    Int c = p->channels, count = p->width * c, last = p->tall * p->wide - 1;
    memset(p->map, 0, sizeof(float) * (size_t)(p->height * count));
    for (Int r = 0; r < p->out_height; r++)
        for (Int k = 0; k < p->out_width; k++, dy += c)
            for (Int v = 0; v < c; v += LANES) {
                Int at = r * p->stride * count + k * p->stride * c + v, n = c - v;
                vf most = load_some(x + at, n), left = load_some(dy + v, n);
                for (Int t = 1; t <= last; t++) most = larger(most, load_some(x + at + t / p->wide * count + t % p->wide * c, n));
                for (Int t = 0; t <= last; t++) { /* the last takes what is left, as where one is no number */
                    Int to = at + t / p->wide * count + t % p->wide * c;
                    vi here = t == last ? (vi)(vf){} == 0 : (vi)(load_some(x + to, n) == most);
                    vf sum = load_f32(p->map + to) + choose(here, left, (vf){});
                    if (n >= LANES) store_f32(p->map + to, sum);
                    else store_f32_n(p->map + to, sum, (int)n);
                    left = choose(here, (vf){}, left);
                }
            }
    rows_out(p->map, dx, p->height * count);
}

/* Two by two at stride 1, then [1, 2, 1] x [1, 2, 1] / 16 at stride 2 with a reflected border. */
INLINE Int reflect(Int i, Int size) {
    if (size == 1) return 0;
    if (i < 0) return -i;
    return i < size ? i : 2 * (size - 1) - i;
}
static void blur_rows(const Pool *p, const Value *x) { /* the pooled map, into p->map */
    Int c = p->channels, count = p->width * c, wide = count - c;
    for (Int r = 0; r + 1 < p->height; r++) {
        const Value *top = x + r * count, *low = top + count;
        float *out = p->map + r * wide;
        Int i = 0;
        for (; i + LANES <= wide; i += LANES)
            store_f32(out + i, larger(larger(LOAD(top + i), LOAD(top + i + c)), larger(LOAD(low + i), LOAD(low + i + c))));
        if (i < wide) {
            int n = (int)(wide - i);
            store_f32(out + i, larger(larger(LOAD_N(top + i, n), LOAD_N(top + i + c, n)),
                                      larger(LOAD_N(low + i, n), LOAD_N(low + i + c, n))));
        }
    }
}
static void blur_forward_row(const Pool *p, Int r, Value *y) { /* of the pooled map's blur */
    Int c = p->channels, high = p->height - 1, wide = p->width - 1, count = wide * c, out_count = p->out_width * c;
    float *tall = p->row[0], *out = p->row[1];
    const float *above = p->map + reflect(2 * r - 1, high) * count, *here = p->map + 2 * r * count;
    const float *below = p->map + reflect(2 * r + 1, high) * count;
    for (Int i = 0; i < count; i += LANES)
        store_f32(tall + i, load_f32(above + i) + 2.0f * load_f32(here + i) + load_f32(below + i));
    for (Int k = 0; k < p->out_width; k++) {
        const float *left = tall + reflect(2 * k - 1, wide) * c, *mid = tall + 2 * k * c;
        const float *right = tall + reflect(2 * k + 1, wide) * c;
        for (Int j = 0; j < c; j += LANES)
            store_f32(out + k * c + j, (load_f32(left + j) + 2.0f * load_f32(mid + j) + load_f32(right + j)) * 0.0625f);
    }
    rows_out(out, y + r * out_count, out_count);
}
static void max_blur_forward(const Pool *p, const Value *x, Value *y) {
    blur_rows(p, x);
    for (Int r = 0; r < p->out_height; r++) blur_forward_row(p, r, y);
}
/* Which outputs of the blur each of `size` places feeds: three places, then three weights. */
static void blur_index(Int *index, Int size, Int out_size) {
    for (Int q = 0; q < size; q++, index += 6) {
        int found = 0;
        for (int k = 0; k < 6; k++) index[k] = 0;
        for (Int k = q / 2 - 1; k <= q / 2 + 1; k++) {
            if (k < 0 || k >= out_size) continue;
            Int weight = 0;
            for (Int t = -1; t <= 1; t++) weight += reflect(2 * k + t, size) == q ? 2 - t * t : 0;
            if (weight) index[found] = k, index[3 + found] = weight, found++;
        }
    }
}
/* The gradient of row r of the pooled map, into p->row[1]; p->map holds dy in float32. */
static void blur_back_row(const Pool *p, Int r) {
    Int c = p->channels, high = p->height - 1, wide = p->width - 1, out_count = p->out_width * c;
    float *mixed = p->row[0], *g = p->row[1];
    const Int *at = p->index + 6 * r;
    const float *d0 = p->map + at[0] * out_count, *d1 = p->map + at[1] * out_count, *d2 = p->map + at[2] * out_count;
    float w0 = (float)at[3] * 0.0625f, w1 = (float)at[4] * 0.0625f, w2 = (float)at[5] * 0.0625f;
    for (Int i = 0; i < out_count; i += LANES) {
        vf sum = w0 * load_f32(d0 + i);
        if (at[4]) sum += w1 * load_f32(d1 + i);
        if (at[5]) sum += w2 * load_f32(d2 + i);
        store_f32(mixed + i, sum);
    }
    for (Int q = 0; q < wide; q++) {
        const Int *in = p->index + 6 * (high + q);
        float *to = g + q * c;
        const float *m0 = mixed + in[0] * c, *m1 = mixed + in[1] * c, *m2 = mixed + in[2] * c;
        float v0 = (float)in[3], v1 = (float)in[4], v2 = (float)in[5];
        for (Int j = 0; j < c; j += LANES) {
            vf sum = v0 * load_f32(m0 + j);
            if (in[4]) sum += v1 * load_f32(m1 + j);
            if (in[5]) sum += v2 * load_f32(m2 + j);
            store_f32(to + j, sum);
        }
    }
}
/* What happens to the gradient of the pooled map at a place of a row, given the largest value there. */
typedef vf Between(const void *context, Int place, vf largest, vf g);
INLINE void max_blur_backward_by(const Pool *p, const float *sign, const Value *x, const Value *dy, Value *dx, Between *between,
                                 const void *context) {
    Int c = p->channels, count = p->width * c, high = p->height - 1, wide = p->width - 1, out_count = p->out_width * c;
    float *g = p->row[1];
    float *right_top = p->row[2], *low = p->row[3], *right_low = p->row[4], *top = p->row[5];
    float *last_low = p->row[6], *last_right = p->row[7];
    for (int k = 2; k < 8; k++) memset(p->row[k], 0, sizeof(float) * (size_t)(count + LANES));
    for (Int r = 0; r < p->out_height; r++) rows_in(dy + r * out_count, p->map + r * out_count, out_count);
    for (Int r = 0; r < high; r++) {
        blur_back_row(p, r);
        const Value *from = x + r * count, *under = from + count;
        Int i = 0;
        for (; i < wide * c; i += LANES) {
            Int n = wide * c - i;
            vf s = sign ? load_f32(sign + i) : splat(1.0f), here, right, under_here, under_right, d;
            if (LANES == 8) __builtin_prefetch(under + i + SOON), __builtin_prefetch(dx + r * count + i + SOON, 1);
            if (n >= LANES) {
                here = LOAD(from + i), right = LOAD(from + i + c), under_here = LOAD(under + i), under_right = LOAD(under + i + c);
                d = load_f32(g + i);
            } else {
                here = LOAD_N(from + i, (int)n), right = LOAD_N(from + i + c, (int)n), d = load_f32_n(g + i, (int)n);
                under_here = LOAD_N(under + i, (int)n), under_right = LOAD_N(under + i + c, (int)n);
            }
            if (sign) here *= s, right *= s, under_here *= s, under_right *= s;
            vf top_value = larger(larger(here, right), larger(under_here, under_right));
            if (between) d = between(context, i, top_value, d);
            Four f = to_first(here, right, under_here, top_value, d);
            store_f32(top + i, f.a), store_f32(right_top + c + i, f.b);
            store_f32(low + i, f.c), store_f32(right_low + c + i, f.d);
        }
        /* The vectors above may have spilled zeros only: lanes past the row carry no gradient. */
        for (i = 0; i < count; i += LANES) {
            vf sum = (load_f32(top + i) + load_f32(right_top + i)) + (load_f32(last_low + i) + load_f32(last_right + i));
            store_some(dx + r * count + i, sum, count - i);
        }
        float *swap = low;
        low = last_low, last_low = swap;
        swap = right_low, right_low = last_right, last_right = swap;
    }
    for (Int i = 0; i < count; i += LANES)
        store_some(dx + high * count + i, load_f32(last_low + i) + load_f32(last_right + i), count - i);
}
static void max_blur_backward(const Pool *p, const Value *x, const Value *dy, Value *dx) {
    max_blur_backward_by(p, NULL, x, dy, dx, NULL, NULL);
}
static int pools_by_two(Int tall, Int wide, Int stride) { return tall == 2 && wide == 2 && stride == 2; }
static Pool pool_open(Int height, Int width, Int channels, Int tall, Int wide, Int stride) {
    Pool p = {.height = height, .width = width, .channels = channels, .tall = tall, .wide = wide, .stride = stride};
    p.out_height = (height - tall) / stride + 1, p.out_width = (width - wide) / stride + 1;
    if (!pools_by_two(tall, wide, stride)) {
        p.map = TAKE(float, height * width * channels);
        return p;
    }
    for (int k = 0; k < 8; k++) p.row[k] = TAKE(float, (width + 2) * channels + 2 * LANES);
    p.map = TAKE(float, height * width * channels), p.under = TAKE(float, width * up(channels, LANES));
    p.index = TAKE(Int, 6 * (height + width));
    blur_index(p.index, height - 1, p.out_height);
    blur_index(p.index + 6 * (height - 1), width - 1, p.out_width);
    return p;
}
