/* Depthwise convolutions over one padded float32 image: the map, its gradient (flipped weights), the weights' gradient.
 *
 * A row of the image is one flat array, so channel counts need not fill vectors: weights repeat over a pattern of
 * lanes. Columns are walked from top to bottom, two at a time where there are two, so that one's additions hide the
 * latency of the other's; each value is loaded once for all rows it belongs to. Kernels of 3 x 3 and 5 x 5 are unrolled.
 */
typedef struct {
    Int height, width, channels, kernel, wide; /* wide: columns of the kernel, and `kernel` its rows */
    Int stride, out_height, out_width;
    int apart;          /* whether depth_apart.h serves */
    Int lanes;          /* that weights and sums have: of the pattern, or a channel each */
    const Value *zeros; /* a row of them, where depth_direct.h serves; else NULL */
} Depth;

static Depth depth_of(Int height, Int width, Int channels, Int kernel, Int wide, Int stride) {
    Depth d = {height, width, channels, kernel, wide, stride, at_stride(height, stride), at_stride(width, stride), 0, channels, NULL};
    Int a = channels, b = LANES;
    while (b) {
        Int rest = a % b;
        a = b, b = rest;
    }
    d.apart = stride > 1 || kernel != wide;
    if (d.apart) return d;
    int direct = LANES >= 8 && (kernel == 3 || kernel == 5) && channels >= LANES;
    if (direct) d.zeros = TAKE_ZERO(Value, width * channels);
    else d.lanes = channels / a * LANES;
    return d;
}
static Int depth_row(const Depth *d) { return (d->width + d->wide - 1) * d->channels; }
/* A row and a vector more than the padded image has: the gradient reads them, times zero, which a NaN left there would survive. */
static Int depth_map(const Depth *d) { return d->zeros ? 0 : (d->height + d->kernel) * depth_row(d) + LANES; }

static void pad_floats(const Depth *d, const Value *x, float *out) {
    Int row = depth_row(d), count = d->width * d->channels;
    for (Int y = 0; y < d->height; y++) {
        const Value *from = x + y * count;
        float *to = out + (y + d->kernel / 2) * row + d->wide / 2 * d->channels;
        Int i = 0;
        for (; i + LANES <= count; i += LANES) store_f32(to + i, LOAD(from + i));
        if (i < count) store_f32_n(to + i, LOAD_N(from + i, (int)(count - i)), (int)(count - i));
    }
}
/* weights[channel][tap] -> lanes[tap][lane] */
static const float *depth_weights(const Depth *d, const float *weights, int flipped) {
    Int taps = d->kernel * d->wide, lanes = d->lanes;
    float *out = TAKE_ZERO(float, taps * lanes + LANES); /* a vector more, which the last one of a pixel may read */
    for (Int t = 0; t < taps; t++)
        for (Int l = 0; l < lanes; l++)
            out[t * lanes + l] = weights[l % d->channels * taps + (flipped ? taps - 1 - t : t)];
    return out;
}

/* A row of sums out of a map, with `returned` where not NULL. */
static void inner_row(const float *sums, const Value *returned, Value *out, Int count) {
    for (Int i = 0; i < count; i += LANES) {
        vf v = load_f32(sums + i);
        if (returned) v += load_some(returned + i, count - i);
        store_some(out + i, v, count - i);
    }
}
/* Columns of `many` vectors from place i on, `apart` apart; `returned`, where not NULL, is added to what is stored. */
INLINE void depth_columns(const Depth *d, const float *x, const float *weights, Int lane, Int i, Int apart, const Value *returned,
                          Value *out, const int k, const int many) {
    Int lanes = d->lanes, row = depth_row(d), count = d->width * d->channels, c = d->channels;
    const int taps = k * k, last = k - 1;
    vf w[25], sums[2][4] = {0}; /* of the rows that are not finished */
    for (int t = 0; t < taps; t++) w[t] = load_f32(weights + t * lanes + lane);
    const float *from = x + i;
    for (Int y = 0; y < d->height + last; y++, from += row)
        for (int n = 0; n < many; n++) {
            vf v[5], done = sums[n][last - 1];
            for (int j = 0; j < k; j++) v[j] = load_f32(from + n * apart + j * c);
            for (int j = 0; j < k; j++) done += w[last * k + j] * v[j];
            for (int r = last - 1; r > 0; r--) {
                vf sum = sums[n][r - 1];
                for (int j = 0; j < k; j++) sum += w[r * k + j] * v[j];
                sums[n][r] = sum;
            }
            sums[n][0] = w[0] * v[0];
            for (int j = 1; j < k; j++) sums[n][0] += w[j] * v[j];
            if (y < last) continue;
            Int at = (y - last) * count + i + n * apart, left = count - i - n * apart;
            if (returned) done += left >= LANES ? LOAD(returned + at) : LOAD_N(returned + at, (int)left);
            store_some(out + at, done, left);
        }
}
INLINE void depth_unrolled(const Depth *d, const float *x, const float *weights, const Value *returned, Value *out, const int k) {
    Int lanes = d->lanes, count = d->width * d->channels;
    for (Int lane = 0; lane < lanes && lane < count; lane += LANES) {
        Int i = lane;
        for (; i + lanes < count; i += 2 * lanes) depth_columns(d, x, weights, lane, i, lanes, returned, out, k, 2);
        if (i < count) depth_columns(d, x, weights, lane, i, lanes, returned, out, k, 1);
    }
}
static void depth_three(const Depth *d, const float *x, const float *weights, const Value *returned, Value *out) {
    depth_unrolled(d, x, weights, returned, out, 3);
}
static void depth_five(const Depth *d, const float *x, const float *weights, const Value *returned, Value *out) {
    depth_unrolled(d, x, weights, returned, out, 5);
}
static void depth_any(const Depth *d, const float *x, const float *weights, const Value *returned, Value *out) {
    Int lanes = d->lanes, row = depth_row(d), count = d->width * d->channels, k = d->kernel;
    for (Int y = 0; y < d->height; y++)
        for (Int i = 0, lane = 0; i < count; i += LANES, lane = lane + LANES == lanes ? 0 : lane + LANES) {
            vf sum = {};
            for (Int t = 0; t < k * k; t++)
                sum += load_f32(x + (y + t / k) * row + i + t % k * d->channels) * load_f32(weights + t * lanes + lane);
            Int at = y * count + i, left = count - i;
            if (returned) sum += left >= LANES ? LOAD(returned + at) : LOAD_N(returned + at, (int)left);
            store_some(out + at, sum, left);
        }
}
static void depthwise(const Depth *d, const float *x, const float *weights, const Value *returned, Value *out) {
    if (d->kernel == 3) depth_three(d, x, weights, returned, out);
    else if (d->kernel == 5) depth_five(d, x, weights, returned, out);
    else depth_any(d, x, weights, returned, out);
}

INLINE vf depth_load(const float *p, Int n) { return n >= LANES ? load_f32(p) : load_f32_n(p, (int)n); }
/* sums[tap][lane] += x * g, both padded. */
static void depth_gradient_three(const Depth *d, const float *x, const float *g, float *sums) {
    Int lanes = d->lanes, row = depth_row(d), count = d->width * d->channels, c = d->channels;
    for (Int lane = 0; lane < lanes && lane < count; lane += LANES) {
        vf s[9];
        for (int t = 0; t < 9; t++) s[t] = (vf){};
        for (Int i = lane; i < count; i += lanes) {
            vf second = {}, first = {}; /* the gradients two rows and one row above */
            const float *from = x + i, *grad = g + row + c + i;
            for (Int y = 0; y < d->height + 2; y++, from += row, grad += row) {
                vf l = load_f32(from), m = load_f32(from + c), r = load_f32(from + 2 * c);
                vf now = depth_load(grad, count - i);
                s[0] += l * now, s[1] += m * now, s[2] += r * now;
                s[3] += l * first, s[4] += m * first, s[5] += r * first;
                s[6] += l * second, s[7] += m * second, s[8] += r * second;
                second = first, first = now;
            }
        }
        for (int t = 0; t < 9; t++) store_f32(sums + t * lanes + lane, load_f32(sums + t * lanes + lane) + s[t]);
    }
}
/* Of 5 x 5, some rows of taps: as many sums as registers hold. */
INLINE void depth_gradient_rows(const Depth *d, const float *x, const float *g, float *sums, const int first, const int rows) {
    Int lanes = d->lanes, row = depth_row(d), count = d->width * d->channels, c = d->channels;
    for (Int lane = 0; lane < lanes && lane < count; lane += LANES) {
        vf s[15];
        for (int t = 0; t < 5 * rows; t++) s[t] = (vf){};
        for (Int i = lane; i < count; i += lanes)
            for (Int y = 0; y < d->height; y++) {
                const float *from = x + (y + first) * row + i;
                vf now = depth_load(g + (y + 2) * row + 2 * c + i, count - i);
                for (int t = 0; t < 5 * rows; t++) s[t] += load_f32(from + t / 5 * row + t % 5 * c) * now;
            }
        for (int t = 0; t < 5 * rows; t++) {
            float *to = sums + (5 * first + t) * lanes + lane;
            store_f32(to, load_f32(to) + s[t]);
        }
    }
}
static void depth_gradient_five(const Depth *d, const float *x, const float *g, float *sums) {
    if (LANES == 16) {
        depth_gradient_rows(d, x, g, sums, 0, 3);
        depth_gradient_rows(d, x, g, sums, 3, 2);
    } else {
        depth_gradient_rows(d, x, g, sums, 0, 2);
        depth_gradient_rows(d, x, g, sums, 2, 2);
        depth_gradient_rows(d, x, g, sums, 4, 1);
    }
}
static void depth_gradient_any(const Depth *d, const float *x, const float *g, float *sums) {
    Int lanes = d->lanes, row = depth_row(d), count = d->width * d->channels, k = d->kernel, border = k / 2;
    for (Int lane = 0; lane < lanes && lane < count; lane += LANES)
        for (Int t = 0; t < k * k; t++) {
            vf s = {};
            for (Int y = 0; y < d->height; y++)
                for (Int i = lane; i < count; i += lanes)
                    s += load_f32(x + (y + t / k) * row + i + t % k * d->channels) *
                         depth_load(g + (y + border) * row + border * d->channels + i, count - i);
            store_f32(sums + t * lanes + lane, load_f32(sums + t * lanes + lane) + s);
        }
}
static void depthwise_gradient(const Depth *d, const float *x, const float *g, float *sums) {
    if (d->kernel == 3) depth_gradient_three(d, x, g, sums);
    else if (d->kernel == 5) depth_gradient_five(d, x, g, sums);
    else depth_gradient_any(d, x, g, sums);
}
