/* Depthwise convolutions over one padded float32 image: the map, its gradient (flipped weights), the weights' gradient.
 *
 * A row of the image is one flat array, so channel counts need not fill vectors: weights repeat over a pattern of
 * lanes. Columns are walked from top to bottom, and each value is loaded once for the three rows it belongs to.
 */
typedef struct {
    Int height, width, channels, kernel;
    Int vectors; /* of the pattern */
} Depth;

static Depth depth_of(Int height, Int width, Int channels, Int kernel) {
    Int a = channels, b = LANES;
    while (b) {
        Int rest = a % b;
        a = b, b = rest;
    }
    return (Depth){height, width, channels, kernel, channels / a};
}
static Int depth_row(const Depth *d) { return (d->width + d->kernel - 1) * d->channels; }
/* One more row than the padded image has, for the reads of the gradient. */
static Int depth_map(const Depth *d) { return (d->height + d->kernel) * depth_row(d); }

static void pad_floats(const Depth *d, const Value *x, float *out) {
    Int border = d->kernel / 2, row = depth_row(d), count = d->width * d->channels;
    for (Int y = 0; y < d->height; y++) {
        const Value *from = x + y * count;
        float *to = out + (y + border) * row + border * d->channels;
        Int i = 0;
        for (; i + LANES <= count; i += LANES) store_f32(to + i, LOAD(from + i));
        if (i < count) store_f32_n(to + i, LOAD_N(from + i, (int)(count - i)), (int)(count - i));
    }
}
/* weights[channel][tap] -> lanes[tap][lane] */
static const float *depth_weights(const Depth *d, const float *weights, int flipped) {
    Int taps = d->kernel * d->kernel, lanes = d->vectors * LANES;
    float *out = TAKE(float, taps * lanes);
    for (Int t = 0; t < taps; t++)
        for (Int l = 0; l < lanes; l++)
            out[t * lanes + l] = weights[l % d->channels * taps + (flipped ? taps - 1 - t : t)];
    return out;
}

INLINE void depth_store(Value *to, vf v, Int n) {
    if (n >= LANES) STORE(to, v);
    else STORE_N(to, v, (int)n);
}
static void depth_three(const Depth *d, const float *x, const float *weights, Value *out) {
    Int lanes = d->vectors * LANES, row = depth_row(d), count = d->width * d->channels, c = d->channels;
    for (Int lane = 0; lane < lanes && lane < count; lane += LANES) {
        vf w[9];
        for (int t = 0; t < 9; t++) w[t] = load_f32(weights + t * lanes + lane);
        for (Int i = lane; i < count; i += lanes) {
            vf above = {}, here = {}; /* sums of the two rows that are not finished */
            const float *from = x + i;
            for (Int y = 0; y < d->height + 2; y++, from += row) {
                vf l = load_f32(from), m = load_f32(from + c), r = load_f32(from + 2 * c);
                vf done = above + w[6] * l + w[7] * m + w[8] * r;
                above = here + w[3] * l + w[4] * m + w[5] * r;
                here = w[0] * l + w[1] * m + w[2] * r;
                if (y >= 2) depth_store(out + (y - 2) * count + i, done, count - i);
            }
        }
    }
}
static void depth_any(const Depth *d, const float *x, const float *weights, Value *out) {
    Int lanes = d->vectors * LANES, row = depth_row(d), count = d->width * d->channels, k = d->kernel;
    for (Int y = 0; y < d->height; y++)
        for (Int i = 0, lane = 0; i < count; i += LANES, lane = lane + LANES == lanes ? 0 : lane + LANES) {
            vf sum = {};
            for (Int t = 0; t < k * k; t++)
                sum += load_f32(x + (y + t / k) * row + i + t % k * d->channels) * load_f32(weights + t * lanes + lane);
            depth_store(out + y * count + i, sum, count - i);
        }
}
static void depthwise(const Depth *d, const float *x, const float *weights, Value *out) {
    if (d->kernel == 3) depth_three(d, x, weights, out);
    else depth_any(d, x, weights, out);
}

INLINE vf depth_load(const float *p, Int n) { return n >= LANES ? load_f32(p) : load_f32_n(p, (int)n); }
/* sums[tap][lane] += x * g, both padded. */
static void depth_gradient_three(const Depth *d, const float *x, const float *g, float *sums) {
    Int lanes = d->vectors * LANES, row = depth_row(d), count = d->width * d->channels, c = d->channels;
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
static void depth_gradient_any(const Depth *d, const float *x, const float *g, float *sums) {
    Int lanes = d->vectors * LANES, row = depth_row(d), count = d->width * d->channels, k = d->kernel, border = k / 2;
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
    else depth_gradient_any(d, x, g, sums);
}
