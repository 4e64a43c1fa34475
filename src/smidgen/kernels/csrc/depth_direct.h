/* Depthwise convolutions of 3 x 3 and 5 x 5 where a pixel's channels take a vector or more: no map with a border is written. A
 * row is walked from left to right with its neighbours in registers, of 3 x 3 two rows of the result at a time, and what lies
 * outside the image is a row of zeros. What a last vector takes again is stored again, so `out` is not `returned`, and left out
 * of sums. Rows are taken by the strip, so that what is computed from them next finds them in the cache nearest to the core.
 */
INLINE vf three_by_three(const vf *w, const vf *l, const vf *m, const vf *r) { /* of three rows one below the other */
    vf sum = w[0] * l[0];
    sum += w[1] * m[0], sum += w[2] * r[0];
    sum += w[3] * l[1], sum += w[4] * m[1], sum += w[5] * r[1];
    sum += w[6] * l[2], sum += w[7] * m[2];
    return sum + w[8] * r[2];
}
INLINE const Value *direct_row(const Depth *d, const Value *x, Int y) {
    return y < 0 || y >= d->height ? d->zeros : x + y * d->width * d->channels;
}
INLINE void direct_step(const vf *w, const Value *const *rows, vf *l, vf *m, Int next, const Value *returned, Value *out, Int below,
                        const int rows_out, const int last) {
    vf r[4];
    for (int k = 0; k < 4; k++) r[k] = last ? (vf){} : LOAD(rows[k] + next);
    for (int k = 0; k < rows_out; k++) {
        vf v = three_by_three(w, l + k, m + k, r + k);
        if (returned) v += LOAD(returned + k * below);
        STORE(out + k * below, v);
    }
    for (int k = 0; k < 4; k++) l[k] = m[k], m[k] = r[k];
}
INLINE void direct_rows(const Depth *d, const vf *w, const Value *x, Int j, Int y, Int first, const Value *returned, Value *out,
                        const int rows_out) {
    Int c = d->channels, count = d->width * c;
    const Value *rows[4];
    vf l[4], m[4];
    for (int k = 0; k < 4; k++) rows[k] = direct_row(d, x, y - 1 + k), l[k] = (vf){}, m[k] = LOAD(rows[k] + j);
    Int at = (y - first) * count + j, end = at + count - c;
    for (Int i = j; at < end; at += c, i += c)
        direct_step(w, rows, l, m, i + c, returned ? returned + at : NULL, out + at, count, rows_out, 0);
    direct_step(w, rows, l, m, 0, returned ? returned + at : NULL, out + at, count, rows_out, 1);
}
/* Rows `from` to `to` of the result; `out` and `returned` begin with the image's row `first`. */
static void direct_three(const Depth *d, const Value *x, const float *weights, const Value *returned, Value *out, Int first, Int from,
                         Int to) {
    for (Int k = 0; k < d->channels; k += LANES) {
        Int j = whole_vector(k, d->channels);
        vf w[9];
        for (int t = 0; t < 9; t++) w[t] = load_f32(weights + t * d->channels + j);
        Int y = from;
        for (; y + 2 <= to; y += 2) direct_rows(d, w, x, j, y, first, returned, out, 2);
        if (y < to) direct_rows(d, w, x, j, y, first, returned, out, 1);
    }
}
/* sums[tap][channel] += x * g, and the convolution of x again where `again` is asked for. */
INLINE void direct_back_step(const vf *w, vf *s, const Value *const *rows, vf *l, vf *m, Int next, const Value *g, Value *out,
                             const int again, const int last) {
    vf r[3], d = LOAD(g);
    for (int k = 0; k < 3; k++) {
        r[k] = last ? (vf){} : LOAD(rows[k] + next);
        s[3 * k] += l[k] * d, s[3 * k + 1] += m[k] * d, s[3 * k + 2] += r[k] * d;
    }
    if (again) STORE(out, three_by_three(w, l, m, r));
    for (int k = 0; k < 3; k++) l[k] = m[k], m[k] = r[k];
}
INLINE void direct_back(const Depth *d, const Value *x, const Value *g, const float *weights, Value *out, float *sums, Int from,
                        Int to, const int again) {
    Int c = d->channels, count = d->width * c;
    for (Int k = 0; k < c; k += LANES) {
        Int j = whole_vector(k, c);
        vf w[9], s[9], own = from_lane(k - j);
        for (int t = 0; t < 9; t++) w[t] = again ? load_f32(weights + t * c + j) : (vf){}, s[t] = (vf){};
        for (Int y = from; y < to; y++) {
            const Value *rows[3];
            vf l[3], m[3];
            for (int k = 0; k < 3; k++) rows[k] = direct_row(d, x, y - 1 + k), l[k] = (vf){}, m[k] = LOAD(rows[k] + j);
            Int at = y * count + j, end = at + count - c;
            Value *to_out = again ? out + at - from * count : NULL;
            for (Int i = j; at < end; at += c, i += c, to_out += again ? c : 0)
                direct_back_step(w, s, rows, l, m, i + c, g + at, to_out, again, 0);
            direct_back_step(w, s, rows, l, m, 0, g + at, to_out, again, 1);
        }
        for (int t = 0; t < 9; t++) store_f32(sums + t * c + j, load_f32(sums + t * c + j) + own * s[t]);
    }
}

/* The same of 5 x 5: each value read goes to the five results of a row that it belongs to. `sums` are those of the four that
 * are not finished; returned is the one that is, two pixels before. */
INLINE vf direct_five_step(const vf *w, const Value *const *rows, Int i, vf *sums) {
    vf v[5], part[5];
    for (int r = 0; r < 5; r++) v[r] = LOAD(rows[r] + i);
    for (int n = 0; n < 5; n++) {
        part[n] = w[4 - n] * v[0];
        for (int r = 1; r < 5; r++) part[n] += w[5 * r + 4 - n] * v[r];
    }
    vf done = sums[0] + part[0];
    for (int n = 0; n < 3; n++) sums[n] = sums[n + 1] + part[n + 1];
    sums[3] = part[4];
    return done;
}
static void direct_five(const Depth *d, const Value *x, const float *weights, const Value *returned, Value *out, Int first, Int from,
                        Int to) {
    Int c = d->channels, count = d->width * c, ahead = 2 * c;
    for (Int k = 0; k < c; k += LANES) {
        Int j = whole_vector(k, c), i;
        vf w[25];
        for (int t = 0; t < 25; t++) w[t] = load_f32(weights + t * c + j);
        for (Int y = from; y < to; y++) {
            const Value *rows[5];
            vf sums[4] = {0};
            for (int r = 0; r < 5; r++) rows[r] = direct_row(d, x, y - 2 + r) + j;
            Value *line = out + (y - first) * count + j;
            const Value *more = returned ? returned + (y - first) * count + j : NULL;
            for (i = 0; i < ahead && i < count; i += c) direct_five_step(w, rows, i, sums);
            for (; i < count; i += c) {
                vf v = direct_five_step(w, rows, i, sums);
                if (more) v += LOAD(more + i - ahead);
                STORE(line + i - ahead, v);
            }
            int n = i < ahead; /* of a row of one pixel the second of them is its result */
            for (i = count < ahead ? 0 : count - ahead; i < count; i += c, n++)
                STORE(line + i, more ? sums[n] + LOAD(more + i) : sums[n]);
        }
    }
}
static void direct_five_sums(const Depth *d, const Value *x, const Value *g, float *sums, Int from, Int to) {
    Int c = d->channels, count = d->width * c;
    for (Int k = 0; k < c; k += LANES) {
        Int j = whole_vector(k, c);
        vf s[25], own = from_lane(k - j);
        for (int t = 0; t < 25; t++) s[t] = (vf){};
        for (Int y = from; y < to; y++) {
            const Value *rows[5], *grad = g + y * count + j;
            for (int r = 0; r < 5; r++) rows[r] = direct_row(d, x, y - 2 + r) + j;
            vf near[5] = {{0}, {0}, LOAD(grad), c < count ? LOAD(grad + c) : (vf){}}; /* from two pixels before to two after */
            for (Int i = 0; i < count; i += c) {
                near[4] = i + 2 * c < count ? LOAD(grad + i + 2 * c) : (vf){};
                for (int r = 0; r < 5; r++) {
                    vf v = LOAD(rows[r] + i);
                    for (int n = 0; n < 5; n++) s[5 * r + n] += v * near[4 - n];
                }
                for (int n = 0; n < 4; n++) near[n] = near[n + 1];
            }
        }
        for (int t = 0; t < 25; t++) store_f32(sums + t * c + j, load_f32(sums + t * c + j) + own * s[t]);
    }
}
static void direct(const Depth *d, const Value *x, const float *weights, const Value *returned, Value *out, Int first, Int from,
                   Int to) {
    (d->kernel == 3 ? direct_three : direct_five)(d, x, weights, returned, out, first, from, to);
}

/* Rows of an image that are computed together, and images where these are small: so that weights and sums are fetched for some
 * number of pixels, and where rows can be had alone, so that what follows finds these in the first cache. */
typedef struct {
    Int images, rows;
} Strip;
enum { STRIP = 128, STRIP_BACK = LANES == 8 ? 64 : STRIP };
static Strip strip_of(const Depth *d, Int most) {
    Int pixels = d->out_height * d->out_width, rows = up(most / smaller(most, d->width), 2);
    if (d->zeros && rows < d->height) return (Strip){1, rows};
    return (Strip){PAIR * (1 + 63 / pixels), d->out_height};
}

/* The convolution of `rows` rows of an image from row y on, all of them where d->zeros is NULL. `map` is room for the image with a border. */
static void depth_forward(const Depth *d, const Value *x, float *map, const float *taps, Value *out, Int y, Int rows) {
    if (d->zeros) {
        direct(d, x, taps, NULL, out, y, y, y + rows);
        return;
    }
    pad_floats(d, x, map);
    if (d->apart) apart_forward(d, map, taps, out);
    else depthwise(d, map, taps, NULL, out);
}
/* What these rows of an image add to the gradient of the weights, their convolution again unless `out` is NULL, and of its
 * gradient, unless `dx` is, all rows for which `dy` is known by then: strips come in order. */
static void depth_backward(const Depth *d, const Value *x, const Value *dy, float *map, float *dmap, const float *taps,
                           const float *flipped, const Value *returned, Value *out, Value *dx, float *sums, Int y, Int rows) {
    if (d->zeros) {
        Int end = y + rows, border = d->kernel / 2;
        if (d->kernel == 5) {
            direct_five_sums(d, x, dy, sums, y, end);
            if (out) direct_five(d, x, taps, NULL, out, y, y, end);
        } else if (out) direct_back(d, x, dy, taps, out, sums, y, end, 1);
        else direct_back(d, x, dy, taps, NULL, sums, y, end, 0);
        if (dx) direct(d, dy, flipped, returned, dx, 0, y == 0 ? 0 : y - border, end == d->height ? end : end - border);
        return;
    }
    pad_floats(d, x, map);
    if (d->apart) {
        if (out) apart_forward(d, map, taps, out);
        apart_gradient(d, map, dy, sums);
        if (dx) apart_backward(d, dy, taps, returned, dmap, dx);
        return;
    }
    if (out) depthwise(d, map, taps, NULL, out);
    pad_floats(d, dy, dmap);
    depthwise_gradient(d, map, dmap, sums);
    if (dx) depthwise(d, dmap, flipped, returned, dx);
}
