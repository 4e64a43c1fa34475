/* Squeeze-and-excitation, forward and backward: y = gate * x, with gate = sigmoid(excite relu(squeeze mean(x))).
 *
 * LANES images are taken together: their maps stay in the cache between the sums and the products, and what belongs to
 * an image (means, hidden values, gates) is held as [group][channel][image], so that the small products are vectors.
 */
typedef struct {
    Int channels, latent, count; /* values of an image's map */
    Pattern pattern;
    float *lanes, *more; /* scratch of the pattern's lanes */
    float share;         /* of a pixel in the mean */
    const float *squeeze, *excite;
} Gate;

static Gate gate_of(Int pixels, Int channels, Int latent, const float *squeeze, const float *excite) {
    Pattern pattern = pattern_of(channels);
    return (Gate){channels,
                  latent,
                  pixels * channels,
                  pattern,
                  TAKE(float, pattern.lanes),
                  TAKE(float, pattern.lanes),
                  1.0f / (float)pixels,
                  squeeze,
                  excite};
}

/* Sums a channel of x, or of x * dy, over the pixels of an image, into every LANES-th place of `sums`. */
static void gate_sums(const Gate *g, const Value *x, const Value *dy, float *sums) {
    Int whole = g->pattern.lanes, c = 0;
    for (Int lane = 0; lane < whole; lane += LANES) {
        vf a = {}, b = {};
        Int i = lane;
        if (dy) {
            for (; i + whole + LANES <= g->count; i += 2 * whole) {
                a += LOAD(x + i) * LOAD(dy + i);
                b += LOAD(x + i + whole) * LOAD(dy + i + whole);
            }
            for (; i < g->count; i += whole) a += load_some(x + i, g->count - i) * load_some(dy + i, g->count - i);
        } else {
            for (; i + whole + LANES <= g->count; i += 2 * whole) a += LOAD(x + i), b += LOAD(x + i + whole);
            for (; i < g->count; i += whole) a += load_some(x + i, g->count - i);
        }
        store_f32(g->lanes + lane, a + b);
    }
    for (c = 0; c < g->channels; c++) sums[c * LANES] = 0.0f;
    c = 0;
    for (Int l = 0; l < whole; l++, c = c + 1 == g->channels ? 0 : c + 1) sums[c * LANES] += g->lanes[l];
}
/* y = gain * x + shift, a number a channel each, found in every LANES-th place; no shift where it is NULL. */
static void gate_apply(const Gate *g, const Value *x, const float *gain, const float *shift, Value *y) {
    Int whole = g->pattern.lanes, c = 0;
    for (Int l = 0; l < whole; l++, c = c + 1 == g->channels ? 0 : c + 1)
        g->lanes[l] = gain[c * LANES], g->more[l] = shift ? shift[c * LANES] : 0.0f;
    for (Int lane = 0; lane < whole; lane += LANES) {
        vf a = load_f32(g->lanes + lane), b = load_f32(g->more + lane);
        Int i = lane;
        for (; i + LANES <= g->count; i += whole) STORE(y + i, LOAD(x + i) * a + b);
        if (i < g->count) STORE_N(y + i, LOAD_N(x + i, (int)(g->count - i)) * a + b, (int)(g->count - i));
    }
}

/* exp by 2^n times a polynomial of the rest; within 2 units in the last place, a NaN stays one. */
INLINE vf exponential(vf x) {
    const float whole = 12582912.0f; /* adding it rounds to an integer, held in the low bits */
    x = choose(x > 88.0f, splat(88.0f), choose(x < -87.0f, splat(-87.0f), x));
    vf n = x * 1.44269504f + whole, r = n - whole;
    vi power = ((vi)n - 0x4b400000 + 127) << 23;
    r = (x - r * 0.693359375f) - r * -2.12194440e-4f;
    vf p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return ((p * r) * r + r + 1.0f) * (vf)power;
}
INLINE float total(vf v) {
    float sum = 0.0f;
    for (int k = 0; k < LANES; k++) sum += v[k];
    return sum;
}

/* Gates of a group from its means. */
static void gate_of_means(const Gate *g, const float *mean, float *hidden, float *gate) {
    Int channels = g->channels, latent = g->latent;
    for (Int j = 0; j < latent; j++) {
        vf sum = {};
        for (Int c = 0; c < channels; c++) sum += g->squeeze[j * channels + c] * load_f32(mean + c * LANES);
        store_f32(hidden + j * LANES, relu(sum));
    }
    for (Int c = 0; c < channels; c++) {
        vf sum = {};
        for (Int j = 0; j < latent; j++) sum += g->excite[c * latent + j] * load_f32(hidden + j * LANES);
        store_f32(gate + c * LANES, 1.0f / (1.0f + exponential(-sum)));
    }
}
/* One group of at most LANES images; means, hidden and gates are its own. */
static void gate_forward(const Gate *g, const Value *x, Int images, Value *y, float *mean, float *hidden, float *gate) {
    Int channels = g->channels;
    if (images < LANES) memset(mean, 0, sizeof(float) * (size_t)(channels * LANES));
    for (Int k = 0; k < images; k++) gate_sums(g, x + k * g->count, NULL, mean + k);
    for (Int c = 0; c < channels; c++) store_f32(mean + c * LANES, load_f32(mean + c * LANES) * g->share);
    gate_of_means(g, mean, hidden, gate);
    for (Int k = 0; k < images; k++) gate_apply(g, x + k * g->count, gate + k, NULL, y + k * g->count);
}
/* From the gradients of a group's gates to those before the sigmoid, of hidden values, and of each pixel by the means. */
static void gate_to_means(const Gate *g, const float *hidden, const float *gate, float *dlogit, float *dhidden, float *dmean) {
    Int channels = g->channels, latent = g->latent;
    for (Int c = 0; c < channels; c++) {
        vf v = load_f32(gate + c * LANES);
        store_f32(dlogit + c * LANES, load_f32(dlogit + c * LANES) * v * (1.0f - v));
    }
    for (Int j = 0; j < latent; j++) {
        vf sum = {}, value = load_f32(hidden + j * LANES);
        for (Int c = 0; c < channels; c++) sum += g->excite[c * latent + j] * load_f32(dlogit + c * LANES);
        store_f32(dhidden + j * LANES, choose(value <= 0.0f, (vf){}, sum)); /* like torch, a NaN leaves the ReLU open */
    }
    for (Int c = 0; c < channels; c++) {
        vf sum = {};
        for (Int j = 0; j < latent; j++) sum += g->squeeze[j * channels + c] * load_f32(dhidden + j * LANES);
        store_f32(dmean + c * LANES, sum * g->share);
    }
}
/* Leaves the gradients before the sigmoid and of the hidden values for `gate_weights`. */
static void gate_backward(const Gate *g, const Value *x, const Value *dy, Int images, const float *hidden, const float *gate,
                          Value *dx, float *dlogit, float *dhidden, float *dmean) {
    Int channels = g->channels;
    if (images < LANES) memset(dlogit, 0, sizeof(float) * (size_t)(channels * LANES));
    for (Int k = 0; k < images; k++) gate_sums(g, x + k * g->count, dy + k * g->count, dlogit + k);
    gate_to_means(g, hidden, gate, dlogit, dhidden, dmean);
    for (Int k = 0; k < images; k++) gate_apply(g, dy + k * g->count, gate + k, dmean + k, dx + k * g->count);
}
/* Sums over all images of left * right, to out[a][b]. */
static void gate_weights(const float *left, Int rows, const float *right, Int columns, Int groups, float *out) {
    for (Int a = 0; a < rows; a++)
        for (Int b = 0; b < columns; b++) {
            vf sum = {};
            for (Int i = 0; i < groups; i++)
                sum += load_f32(left + (i * rows + a) * LANES) * load_f32(right + (i * columns + b) * LANES);
            out[a * columns + b] = total(sum);
        }
}
