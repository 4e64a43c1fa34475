/* Depthwise convolutions at a stride, or whose kernels are not square, over one padded float32 image: as depthwise.h, a pixel of
 * the result at a time, its channels by the vector. What the last vector of a pixel reads past the channels is not stored.
 */
INLINE void apart_columns(const Depth *d, const float *map, const float *weights, Int v, Value *out, const int tall, const int wide) {
    Int c = d->channels, row = depth_row(d), n = c - v;
    vf w[25];
    for (int t = 0; t < tall * wide; t++) w[t] = load_f32(weights + t * c + v);
    for (Int y = 0; y < d->out_height; y++)
        for (Int x = 0; x < d->out_width; x++) {
            const float *from = map + y * d->stride * row + x * d->stride * c + v;
            vf sum = {};
            for (int k = 0; k < tall; k++)
                for (int j = 0; j < wide; j++) sum += w[k * wide + j] * load_f32(from + k * row + j * c);
            store_some(out + (y * d->out_width + x) * c + v, sum, n);
        }
}
static void apart_any(const Depth *d, const float *map, const float *weights, Int v, Value *out) {
    Int c = d->channels, row = depth_row(d);
    for (Int y = 0; y < d->out_height; y++)
        for (Int x = 0; x < d->out_width; x++) {
            const float *from = map + y * d->stride * row + x * d->stride * c + v;
            vf sum = {};
            for (Int t = 0; t < d->kernel * d->wide; t++)
                sum += load_f32(weights + t * c + v) * load_f32(from + t / d->wide * row + t % d->wide * c);
            store_some(out + (y * d->out_width + x) * c + v, sum, c - v);
        }
}
static void apart_forward(const Depth *d, const float *map, const float *weights, Value *out) {
    for (Int v = 0; v < d->channels; v += LANES)
        if (d->kernel == 3 && d->wide == 3) apart_columns(d, map, weights, v, out, 3, 3);
        else if (d->kernel == 5 && d->wide == 5) apart_columns(d, map, weights, v, out, 5, 5);
        else apart_any(d, map, weights, v, out);
}
/* sums[tap][channel] += x * g for some taps beside one another. */
INLINE void apart_sums(const Depth *d, const float *map, const Value *g, float *sums, Int tap, const int taps) {
    Int c = d->channels, row = depth_row(d);
    const float *first = map + tap / d->wide * row + tap % d->wide * c;
    for (Int v = 0; v < c; v += LANES) {
        Int n = smaller(LANES, c - v);
        vf s[5] = {{0}};
        for (Int y = 0; y < d->out_height; y++)
            for (Int x = 0; x < d->out_width; x++) {
                const Value *at = g + (y * d->out_width + x) * c + v;
                const float *from = first + y * d->stride * row + x * d->stride * c + v;
                vf now = load_some(at, n);
                for (int t = 0; t < taps; t++) s[t] += load_f32(from + t * c) * now;
            }
        for (int t = 0; t < taps; t++) {
            float *to = sums + (tap + t) * c + v;
            vf sum = s[t] + (n == LANES ? load_f32(to) : load_f32_n(to, (int)n));
            if (n == LANES) store_f32(to, sum);
            else store_f32_n(to, sum, (int)n);
        }
    }
}
static void apart_gradient(const Depth *d, const float *map, const Value *g, float *sums) {
    for (Int tap = 0; tap < d->kernel * d->wide;)
        if (d->wide == 3) apart_sums(d, map, g, sums, tap, 3), tap += 3;
        else if (d->wide == 5) apart_sums(d, map, g, sums, tap, 5), tap += 5;
        else apart_sums(d, map, g, sums, tap, 1), tap += 1;
}
/* map += the gradient of the image: past a pixel's channels g is zero, and so is what is added there. */
static void apart_scatter(const Depth *d, const Value *g, const float *weights, float *map) {
    Int c = d->channels, row = depth_row(d);
    for (Int v = 0; v < c; v += LANES) {
        Int n = smaller(LANES, c - v);
        for (Int y = 0; y < d->out_height; y++)
            for (Int x = 0; x < d->out_width; x++) {
                const Value *at = g + (y * d->out_width + x) * c + v;
                vf now = load_some(at, n);
                for (Int k = 0; k < d->kernel; k++)
                    for (Int j = 0; j < d->wide; j++) {
                        float *to = map + (y * d->stride + k) * row + (x * d->stride + j) * c + v;
                        store_f32(to, load_f32(to) + load_f32(weights + (k * d->wide + j) * c + v) * now);
                    }
            }
    }
}
static void apart_uncover(const Depth *d, const float *map, const Value *returned, Value *dx) {
    Int c = d->channels, row = depth_row(d), count = d->width * c;
    for (Int y = 0; y < d->height; y++)
        inner_row(map + (y + d->kernel / 2) * row + d->wide / 2 * c, of_image(returned, y * count), dx + y * count, count);
}
static void apart_backward(const Depth *d, const Value *g, const float *weights, const Value *returned, float *map, Value *dx) {
    memset(map, 0, sizeof(float) * (size_t)depth_map(d));
    apart_scatter(d, g, weights, map);
    apart_uncover(d, map, returned, dx);
}
