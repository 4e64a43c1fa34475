/* The operations that Python calls: whole blocks, forward and backward, over the data pointers of channels-last tensors. */
#include "vector.h"
/* The order matters: each builds on the one before. */
#include "norm.h"
#include "matrix.h"
#if AMX
#include "amx.h"
#else
#include "winograd.h"
#include "convolution.h"
#endif
#include "depthwise.h"
#include "depth_apart.h"
#include "depth_direct.h"
#include "windows.h"
#include "pool.h"
#include "blur.h"
#include "gate.h"
#include "tail.h"
#include "tail_back.h"
#include "sum.h"
#include "head.h"

typedef struct {
    Int images, height, width, channels, outputs, kernel, wide, stride; /* wide: columns of the kernel, and `kernel` its rows */
} Shape;
/* What windows.h and depth_apart.h are for. */
static int is_apart(const Shape *s) { return s->stride > 1 || s->kernel != s->wide; }

/* weight, bias, running mean, running variance, mean, rstd, count of batches; no norm when the weight is NULL. */
typedef float *const State[7];
static Norm norm_of(State state, double momentum, double eps) {
    if (state[6]) ++*(Int *)(void *)state[6];
    return (Norm){state[0], state[1], state[2], state[3], state[4], state[5], (float)momentum, (float)eps};
}
static const float *pivot_of(const Value *z, Int channels) {
    float *pivot = TAKE(float, channels);
    rows_in(z, pivot, channels);
    return pivot;
}

/* Statistics gathered image by image, while the image is in the cache, for a norm that needs them. */
typedef struct {
    const Norm *norm;
    Sums sums;
    const float *pivot, *lanes;
} Watch;
static void watch(Watch *w, const Value *z, Int count, Int channels) {
    if (w->norm->weight == NULL || recalls(w->norm)) return;
    if (w->pivot == NULL) {
        w->sums = sums_open(channels);
        w->pivot = pivot_of(z, channels);
        w->lanes = spread(w->pivot, channels, w->sums.pattern);
    }
    moments(&w->sums, z, count, w->lanes);
}
static void finish_forward(Watch *w, Tailed *t, const Value *z, Value *y, const float *shift) {
    Int channels = t->channels;
    if (recalls(t->norm)) recall_statistics(t->norm, channels, shift);
    else if (t->norm->weight) finish_statistics(&w->sums, w->pivot, t->norm, t->images * t->count / channels, shift);
    tail_forward(t, z, y);
}

/* Convolutions by windows.h. */
static void windows_forward(const Shape *s, const Value *x, const float *weights, Value *z, Value *y, Watch *seen, const Tailed *t) {
    Windows w = windows_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Strip strip = window_strip(&w);
    Int in = s->height * s->width * s->channels, out = w.out_height * w.out_width * s->outputs;
    Int most = strip.images * strip.rows * w.out_width;
    Value *gathered = TAKE(Value, most * w.length);
    Convolution c = convolution_of(1, most, w.length, s->outputs, 1, window_weights(&w, weights, s->outputs), 0);
    products_open(&c);
    for (Int i = 0; i < s->images; i += strip.images) {
        Int count = smaller(strip.images, s->images - i);
        for (Int r = 0; r < w.out_height; r += strip.rows) {
            Int rows = smaller(strip.rows, w.out_height - r), pixels = rows * w.out_width;
            Value *to = z + i * out + r * w.out_width * s->outputs;
            for (Int j = 0; j < count; j++) gather(&w, x + (i + j) * in, r, rows, gathered + j * pixels * w.length);
            convolve(&c, gathered, to, 1, count * pixels);
            watch(seen, to, count * pixels * s->outputs, s->outputs);
        }
        for (Int j = i; j < i + count; j++) tail_early(t, j, z + j * out, y);
    }
    products_close();
}
static void windows_backward(const Shape *s, const Value *x, const float *weights, const Value *z, const Value *dy, Value *dx,
                             float *dweights, Tailed *t) {
    Windows w = windows_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Strip strip = window_strip(&w);
    Int in = s->height * s->width * s->channels, out = w.out_height * w.out_width * s->outputs, map = window_map(&w);
    Int most = strip.images * strip.rows * w.out_width;
    /* A pixel more: pairs may ask for one past an odd number, which must then be zero. */
    Value *gathered = TAKE(Value, (most + 1) * w.length), *back = TAKE(Value, dx ? most * w.length : 1);
    Value *dz = TAKE(Value, strip.images * out + s->outputs);
    float *maps = TAKE(float, dx ? strip.images * map : 1), *sums = TAKE(float, s->outputs * w.length);
    Convolution c = {.kernel = 0};
    if (dx) c = convolution_of(1, most, s->outputs, w.length, 1, window_weights(&w, weights, s->outputs), 1);
    WeightGradient g = weight_gradient_of(1, most, w.length, s->outputs, 1);
    products_open(&c);
    for (Int i = 0; i < s->images; i += strip.images) {
        Int count = smaller(strip.images, s->images - i);
        tail_backward(t, i, count, z, dy, dz);
        if (dx) memset(maps, 0, sizeof(float) * (size_t)(count * map));
        for (Int r = 0; r < w.out_height; r += strip.rows) {
            Int rows = smaller(strip.rows, w.out_height - r), pixels = rows * w.out_width, together = count * pixels;
            Value *d = dz + r * w.out_width * s->outputs;
            if (dx) convolve(&c, d, back, 1, together);
            for (Int j = 0; j < count; j++) {
                gather(&w, x + (i + j) * in, r, rows, gathered + j * pixels * w.length);
                if (dx) scatter(&w, back + j * pixels * w.length, r, rows, maps + j * map);
            }
            if (together % 2) { /* only at an image's end: strips have an even number of rows */
                memset(d + together * s->outputs, 0, sizeof(Value) * (size_t)s->outputs);
                memset(gathered + together * w.length, 0, sizeof(Value) * (size_t)w.length);
            }
            add_pixels(&g, gathered, d, together, s->outputs);
        }
        for (Int j = 0; dx && j < count; j++) {
            Int at = (i + j) * in;
            uncover(&w, maps + j * map, of_image(t->asked.returned, at), dx + at);
        }
    }
    products_close();
    finish_gradient(&g, sums);
    window_gradients(&w, sums, s->outputs, dweights);
}

void EXPORT(convolution_forward)(const Shape *s, const Value *x, const float *weights, const float *bias, Value *z, Value *y,
                                 State state, double momentum, double eps, const Tail *tail) {
    Norm norm = norm_of(state, momentum, eps);
    Int pixels = s->height * s->width, columns = up(s->outputs, LANES);
    Watch w = {.norm = &norm};
    smidgen_memory_open();
    Tailed t = tail_of(tail, &norm, s->images, at_stride(s->height, s->stride), at_stride(s->width, s->stride), s->outputs);
    if (is_apart(s)) {
        windows_forward(s, x, weights, z, y, &w, &t);
        finish_forward(&w, &t, z, y, bias);
        return;
    }
    Convolution c = convolution_of(s->height, s->width, s->channels, s->outputs, s->kernel, weights, 0);
    if (norm.weight == NULL && bias) /* pointwise only, so never Winograd's */
        c.bias = memcpy(TAKE_ZERO(float, columns), bias, sizeof(float) * (size_t)s->outputs);
    Ahead next = {0};
    c.ahead = &next;
    products_open(&c);
    for (Int i = 0; i < s->images; i++) {
        Value *out = z + i * pixels * s->outputs;
        Int in = pixels * s->channels * (Int)sizeof(Value);
        if (i + 1 < s->images) look_ahead(&next, 0, (const char *)x + (i + 1) * in, in);
        convolve(&c, x + i * pixels * s->channels, out, s->height, s->width);
        watch(&w, out, pixels * s->outputs, s->outputs);
        tail_early(&t, i, out, y);
    }
    products_close();
    finish_forward(&w, &t, z, y, bias);
}

void EXPORT(convolution_backward)(const Shape *s, const Value *x, const float *weights, const Value *z, const Value *dy,
                                  State state, Value *dx, float *dweights, float *dscale, float *dshift, const Tail *tail) {
    Norm norm = norm_of(state, 0, 0);
    Int pixels = s->height * s->width, in = pixels * s->channels, out = pixels * s->outputs;
    Convolution c = {.kernel = 0};
    smidgen_memory_open();
    Tailed t = tail_of(tail, &norm, s->images, at_stride(s->height, s->stride), at_stride(s->width, s->stride), s->outputs);
    tail_reduce(&t, z, dy, dscale, dshift);
    if (is_apart(s)) {
        windows_backward(s, x, weights, z, dy, dx, dweights, &t);
        return;
    }
    if (dx) c = convolution_of(s->height, s->width, s->outputs, s->channels, s->kernel, weights, 1);
    WeightGradient g = weight_gradient_of(s->height, s->width, s->channels, s->outputs, s->kernel);
    Value *scratch = TAKE(Value, PAIR * out);
    Ahead next = {0};
    c.ahead = g.ahead = &next;
    products_open(&c);
    for (Int i = 0; i < s->images; i += PAIR) {
        const Value *maps[2] = {0}, *d[2] = {0};
        for (Int j = 0; j < PAIR && i + j < s->images; j++) {
            maps[j] = x + (i + j) * in, d[j] = dy + (i + j) * out;
            if (norm.weight || t.asked.pool) tail_backward(&t, i + j, 1, z, dy, scratch + j * out), d[j] = scratch + j * out;
            if (j == 0) look_ahead(&next, 2, x + i * in, smaller(PAIR, s->images - i) * in * (Int)sizeof(Value));
            if (i + j + 1 < s->images) {
                look_ahead(&next, 0, z ? z + (i + j + 1) * out : NULL, z ? out * (Int)sizeof(Value) : 0);
                look_ahead(&next, 1, dy + (i + j + 1) * t.left, t.left * (Int)sizeof(Value));
            }
            if (dx) convolve(&c, d[j], dx + (i + j) * in, s->height, s->width);
            join_returned(&t, dx, (i + j) * in, in);
        }
        add_gradient(&g, maps, d);
    }
    products_close();
    finish_gradient(&g, dweights);
}

/* Of maps, `count` values from one on, as far as they go; none where there are no maps. */
static void look_at(Ahead *a, int place, const Value *maps, Int from, Int count, Int end) {
    if (maps) look_ahead(a, place, maps + from, from < end ? smaller(count, end - from) * (Int)sizeof(Value) : 0);
}
static void finish_depth(const Depth *d, const float *sums, float *out) { /* [channel][tap] */
    Int taps = d->kernel * d->wide, lanes = d->lanes;
    memset(out, 0, sizeof(float) * (size_t)(d->channels * taps));
    for (Int t = 0; t < taps; t++)
        for (Int l = 0; l < lanes; l++) out[l % d->channels * taps + t] += sums[t * lanes + l];
}
/* Depthwise convolution, pointwise convolution, norm and ReLU; `kernel` is the depthwise one's. */
void EXPORT(depthwise_forward)(const Shape *s, const Value *x, const float *deep, const float *deep_bias, const float *point,
                               const float *point_bias, Value *z, Value *y, State state, double momentum, double eps,
                               const Tail *tail) {
    Norm norm = norm_of(state, momentum, eps);
    Watch w = {.norm = &norm};
    smidgen_memory_open();
    Depth d = depth_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int height = d.out_height, width = d.out_width, pixels = height * width, in = s->height * s->width * s->channels;
    Int mid = pixels * s->channels, out = pixels * s->outputs, spread = s->stride * s->stride;
    Tailed t = tail_of(tail, &norm, s->images, height, width, s->outputs);
    const float *taps = depth_weights(&d, deep, 0);
    float *map = TAKE_ZERO(float, depth_map(&d));
    Strip strip = strip_of(&d, STRIP);
    Int group = strip.images, most = group * strip.rows * width;
    Value *middle = TAKE(Value, most * s->channels);
    Convolution c = convolution_of(1, most, s->channels, s->outputs, 1, point, 0);
    /* Biases before a norm only move its mean. */
    float *shift = TAKE_ZERO(float, s->outputs);
    for (Int o = 0; o < s->outputs; o++) {
        if (point_bias) shift[o] += point_bias[o];
        for (Int i = 0; deep_bias && i < s->channels; i++) shift[o] += point[o * s->channels + i] * deep_bias[i];
    }
    Ahead next = {0};
    c.ahead = &next;
    products_open(&c);
    for (Int i = 0; i < s->images; i += group) {
        Int count = smaller(group, s->images - i);
        for (Int r = 0; r < height; r += strip.rows) {
            Int rows = smaller(strip.rows, height - r), together = count * rows * width;
            Int then = i * pixels + r * width + together; /* the pixel from which it goes on */
            look_at(&next, 0, x, then * spread * s->channels, (together + width) * spread * s->channels, s->images * in);
            look_at(&next, 1, z, then * s->outputs, together * s->outputs, s->images * out);
            Value *to = z + i * out + r * width * s->outputs;
            for (Int j = 0; j < count; j++) depth_forward(&d, x + (i + j) * in, map, taps, middle + j * mid, r, rows);
            convolve(&c, middle, to, 1, together);
            watch(&w, to, together * s->outputs, s->outputs);
        }
        for (Int j = i; j < i + count; j++) tail_early(&t, j, z + j * out, y);
    }
    products_close();
    finish_forward(&w, &t, z, y, shift);
}

void EXPORT(depthwise_backward)(const Shape *s, const Value *x, const float *deep, const float *point, const Value *z,
                                const Value *dy, State state, Value *dx, float *ddeep, float *dpoint, float *dscale,
                                float *dshift, const Tail *tail) {
    Norm norm = norm_of(state, 0, 0);
    smidgen_memory_open();
    Depth d = depth_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int height = d.out_height, width = d.out_width, pixels = height * width, in = s->height * s->width * s->channels;
    Int mid = pixels * s->channels, out = pixels * s->outputs, spread = s->stride * s->stride;
    Tailed t = tail_of(tail, &norm, s->images, height, width, s->outputs);
    tail_reduce(&t, z, dy, dscale, dshift);
    const float *taps = depth_weights(&d, deep, 0), *flipped = depth_weights(&d, deep, 1);
    float *map = TAKE_ZERO(float, depth_map(&d)), *dmap = TAKE_ZERO(float, depth_map(&d));
    float *sums = TAKE_ZERO(float, s->kernel * s->wide * d.lanes);
    Strip strip = strip_of(&d, STRIP_BACK);
    Int group = strip.images, most = group * strip.rows * width;
    Convolution c = convolution_of(1, most, s->outputs, s->channels, 1, point, 1);
    WeightGradient g = weight_gradient_of(1, most, s->channels, s->outputs, 1);
    /* A vector more than the images take: pairs may ask for one pixel past an odd number, which must then be zero. */
    Value *dz = TAKE(Value, group * out + s->outputs), *middle = TAKE(Value, most * s->channels + s->channels);
    Value *dmiddle = TAKE(Value, group * mid);
    int by_rows = tail_is_plain(&t);
    Ahead next = {0};
    c.ahead = g.ahead = &next;
    products_open(&c);
    for (Int i = 0; i < s->images; i += group) {
        Int count = smaller(group, s->images - i), after = smaller(group, s->images - i - count);
        if (!by_rows) {
            look_ahead(&next, 2, z + (i + count) * out, after * out * (Int)sizeof(Value));
            look_ahead(&next, 3, dy + (i + count) * t.left, after * t.left * (Int)sizeof(Value));
        }
        if (!by_rows) tail_backward(&t, i, count, z, dy, dz);
        for (Int r = 0; r < height; r += strip.rows) {
            Int rows = smaller(strip.rows, height - r), together = count * rows * width;
            Int from = r * width * s->channels, to = r * width * s->outputs;
            Int then = i * pixels + r * width + together;
            look_at(&next, 0, x, then * spread * s->channels, (together + width) * spread * s->channels, s->images * in);
            look_at(&next, 1, dx, (then - width) * spread * s->channels, together * spread * s->channels, s->images * in);
            if (by_rows) {
                look_at(&next, 2, z, then * s->outputs, together * s->outputs, s->images * out);
                look_at(&next, 3, dy, then * s->outputs, together * s->outputs, s->images * out);
            }
            if (by_rows) tail_backward_some(&t, i * out + to, together * s->outputs, z, dy, dz + to);
            convolve(&c, dz + to, dmiddle + from, 1, together);
            for (Int j = 0; j < count; j++)
                depth_backward(&d, x + (i + j) * in, dmiddle + j * mid, map, dmap, taps, flipped,
                               of_image(t.asked.returned, (i + j) * in), middle + j * mid, of_image_to(dx, (i + j) * in), sums, r, rows);
            if (together % 2) { /* only at an image's end: strips have an even number of rows */
                memset(dz + to + together * s->outputs, 0, sizeof(Value) * (size_t)s->outputs);
                memset(middle + together * s->channels, 0, sizeof(Value) * (size_t)s->channels);
            }
            add_pixels(&g, middle, dz + to, together, s->outputs);
        }
    }
    products_close();
    finish_gradient(&g, dpoint);
    finish_depth(&d, sums, ddeep);
}

/* Depthwise convolution alone, norm and ReLU. */
void EXPORT(channelwise_forward)(const Shape *s, const Value *x, const float *deep, const float *bias, Value *z, Value *y,
                                 State state, double momentum, double eps, const Tail *tail) {
    Norm norm = norm_of(state, momentum, eps);
    Watch w = {.norm = &norm};
    smidgen_memory_open();
    Depth d = depth_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int in = s->height * s->width * s->channels, out = d.out_height * d.out_width * s->channels;
    Tailed t = tail_of(tail, &norm, s->images, d.out_height, d.out_width, s->channels);
    const float *taps = depth_weights(&d, deep, 0);
    float *map = TAKE_ZERO(float, depth_map(&d));
    for (Int i = 0; i < s->images; i++) {
        depth_forward(&d, x + i * in, map, taps, z + i * out, 0, d.out_height);
        watch(&w, z + i * out, out, s->channels);
        tail_early(&t, i, z + i * out, y);
    }
    finish_forward(&w, &t, z, y, bias);
}
void EXPORT(channelwise_backward)(const Shape *s, const Value *x, const float *deep, const Value *z, const Value *dy, State state,
                                  Value *dx, float *ddeep, float *dscale, float *dshift, const Tail *tail) {
    Norm norm = norm_of(state, 0, 0);
    smidgen_memory_open();
    Depth d = depth_of(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int in = s->height * s->width * s->channels, out = d.out_height * d.out_width * s->channels;
    Tailed t = tail_of(tail, &norm, s->images, d.out_height, d.out_width, s->channels);
    tail_reduce(&t, z, dy, dscale, dshift);
    const float *taps = depth_weights(&d, deep, 0), *flipped = depth_weights(&d, deep, 1);
    float *map = TAKE_ZERO(float, depth_map(&d)), *dmap = TAKE_ZERO(float, depth_map(&d));
    float *sums = TAKE_ZERO(float, s->kernel * s->wide * d.lanes);
    Value *dz = TAKE(Value, out);
    for (Int i = 0; i < s->images; i++) {
        tail_backward(&t, i, 1, z, dy, dz);
        depth_backward(&d, x + i * in, dz, map, dmap, taps, flipped, of_image(t.asked.returned, i * in), NULL,
                       of_image_to(dx, i * in), sums, 0, d.out_height);
    }
    finish_depth(&d, sums, ddeep);
}

/* out = a + b, cut at zero on request; and what the cut makes of the gradient, perhaps in its place. */
void EXPORT(sum_forward)(const Shape *s, const Value *a, const Value *b, Value *out, int relu) {
    add_maps(a, b, out, s->images * s->height * s->width * s->channels, relu ? 0.0f : -INFINITY);
}
void EXPORT(cut_backward)(const Shape *s, const Value *y, const Value *dy, Value *out) {
    close_cut(y, dy, out, s->images * s->height * s->width * s->channels);
}

void EXPORT(pool_forward)(const Shape *s, const Value *x, Value *y, int blurred) {
    smidgen_memory_open();
    Pool p = pool_open(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int in = s->height * s->width * s->channels, out = p.out_height * p.out_width * s->channels;
    int by_two = pools_by_two(s->kernel, s->wide, s->stride);
    for (Int i = 0; i < s->images; i++)
        (blurred ? max_blur_forward : by_two ? max_forward : largest_forward)(&p, x + i * in, y + i * out);
}
void EXPORT(pool_backward)(const Shape *s, const Value *x, const Value *dy, Value *dx, int blurred) {
    smidgen_memory_open();
    Pool p = pool_open(s->height, s->width, s->channels, s->kernel, s->wide, s->stride);
    Int in = s->height * s->width * s->channels, out = p.out_height * p.out_width * s->channels;
    int by_two = pools_by_two(s->kernel, s->wide, s->stride);
    for (Int i = 0; i < s->images; i++)
        (blurred ? max_blur_backward : by_two ? max_backward : largest_backward)(&p, x + i * in, dy + i * out, dx + i * in);
}

void EXPORT(blur_forward)(const Shape *s, const Value *x, Value *y) {
    smidgen_memory_open();
    Depth d = blur_of(s->height, s->width, s->channels, s->kernel, s->stride);
    const float *weights = blur_weights(s->kernel, s->channels);
    float *map = TAKE_ZERO(float, depth_map(&d));
    Int in = s->height * s->width * s->channels, out = d.out_height * d.out_width * s->channels;
    for (Int i = 0; i < s->images; i++) {
        blur_border(&d, x + i * in, map);
        apart_forward(&d, map, weights, y + i * out);
    }
}
void EXPORT(blur_backward)(const Shape *s, const Value *dy, Value *dx) {
    smidgen_memory_open();
    Depth d = blur_of(s->height, s->width, s->channels, s->kernel, s->stride);
    const float *weights = blur_weights(s->kernel, s->channels);
    float *map = TAKE(float, depth_map(&d));
    Int in = s->height * s->width * s->channels, out = d.out_height * d.out_width * s->channels;
    for (Int i = 0; i < s->images; i++) {
        memset(map, 0, sizeof(float) * (size_t)depth_map(&d));
        apart_scatter(&d, dy + i * out, weights, map);
        blur_fold(&d, map);
        apart_uncover(&d, map, NULL, dx + i * in);
    }
}

void EXPORT(average_forward)(const Shape *s, const Value *x, float *y) {
    Int pixels = s->height * s->width, c = s->channels;
    for (Int i = 0; i < s->images; i++) average(x + i * pixels * c, pixels, c, y + i * c);
}
void EXPORT(average_backward)(const Shape *s, const float *dy, Value *dx) {
    Int pixels = s->height * s->width, c = s->channels;
    for (Int i = 0; i < s->images; i++) average_back(dy + i * c, pixels, c, dx + i * pixels * c);
}

/* Outputs are the classes; `logits` ends as the gradient by them of the sum of all images' losses. */
void EXPORT(head_forward)(const Shape *s, const Value *x, const float *weight, const float *bias, const float *targets,
                          float *pooled, float *logits, float *loss) {
    Int pixels = s->height * s->width, c = s->channels, classes = s->outputs, columns = up(classes, LANES);
    smidgen_memory_open();
    const float *rows = transposed(weight, classes, c, columns);
    float *out = TAKE(float, columns);
    double sum = 0;
    for (Int i = 0; i < s->images; i++) {
        average(x + i * pixels * c, pixels, c, pooled + i * c);
        mix(pooled + i * c, c, rows, columns, columns, out);
        for (Int k = 0; k < classes; k++) logits[i * classes + k] = out[k] + (bias ? bias[k] : 0.0f);
        sum += cross_entropy(logits + i * classes, targets + i * classes, classes);
    }
    *loss = (float)(sum / (double)s->images);
}
void EXPORT(head_backward)(const Shape *s, const float *weight, const float *pooled, const float *logits, const float *dloss,
                           Value *dx, float *dweight, float *dbias) {
    Int pixels = s->height * s->width, c = s->channels, classes = s->outputs, images = s->images;
    float share = *dloss / (float)images;
    smidgen_memory_open();
    float *dpooled = TAKE(float, c), *columns = TAKE(float, classes * images);
    for (Int k = 0; k < classes; k++) {
        float total = 0.0f;
        for (Int i = 0; i < images; i++) total += columns[k * images + i] = share * logits[i * classes + k];
        if (dbias) dbias[k] = total;
        mix(columns + k * images, images, pooled, c, c, dweight + k * c);
    }
    for (Int i = 0; i < images; i++) {
        mix(logits + i * classes, classes, weight, c, c, dpooled);
        for (Int j = 0; j < c; j++) dpooled[j] *= share;
        average_back(dpooled, pixels, c, dx + i * pixels * c);
    }
}

/* Outputs are the latent channels. What belongs to images is kept in whole groups of LANES: see gate.h. */
void EXPORT(excite_forward)(const Shape *s, const Value *x, const float *squeeze, const float *excite, Value *y, float *mean,
                            float *hidden, float *gate) {
    Int c = s->channels, latent = s->outputs, in = s->height * s->width * c;
    smidgen_memory_open();
    Gate g = gate_of(s->height * s->width, c, latent, squeeze, excite);
    for (Int i = 0; i < s->images; i += LANES)
        gate_forward(&g, x + i * in, smaller(LANES, s->images - i), y + i * in, mean + i * c, hidden + i * latent, gate + i * c);
}
void EXPORT(excite_backward)(const Shape *s, const Value *x, const Value *dy, const float *squeeze, const float *excite,
                             const float *mean, const float *hidden, const float *gate, Value *dx, float *dsqueeze,
                             float *dexcite) {
    Int c = s->channels, latent = s->outputs, in = s->height * s->width * c, groups = up(s->images, LANES) / LANES;
    smidgen_memory_open();
    Gate g = gate_of(s->height * s->width, c, latent, squeeze, excite);
    float *dlogit = TAKE(float, groups * c * LANES), *dhidden = TAKE(float, groups * latent * LANES);
    float *dmean = TAKE(float, c * LANES);
    for (Int i = 0; i < s->images; i += LANES)
        gate_backward(&g, x + i * in, dy + i * in, smaller(LANES, s->images - i), hidden + i * latent, gate + i * c, dx + i * in,
                      dlogit + i * c, dhidden + i * latent, dmean);
    gate_weights(dhidden, latent, mean, c, groups, dsqueeze);
    gate_weights(dlogit, c, hidden, latent, groups, dexcite);
}
