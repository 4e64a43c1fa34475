/* Dense convolutions at a stride, or whose kernels are not square: their windows are gathered, one a pixel of the result, and
 * what is left is a pointwise convolution of windows. So neither vectors nor tiles know of strides.
 *
 * A window is its rows one after another, each as it lies in the image, and a zero where pairs need one more value. Its middle is
 * always a pixel of the image.
 */
typedef struct {
    Int height, width, channels; /* of the image */
    Int tall, wide, stride;
    Int out_height, out_width;
    Int row, length; /* values of a window's row, and of a window */
} Windows;

static Windows windows_of(Int height, Int width, Int channels, Int tall, Int wide, Int stride) {
    Int row = wide * channels;
    return (Windows){height, width, channels, tall, wide, stride, at_stride(height, stride), at_stride(width, stride), row, up(tall * row, PAIR)};
}
/* weights[output][input][tap] as those of a pointwise convolution of windows, and such gradients as those of weights. */
static const float *window_weights(const Windows *w, const float *weights, Int outputs) {
    Int taps = w->tall * w->wide, c = w->channels;
    float *out = TAKE_ZERO(float, outputs * w->length);
    for (Int o = 0; o < outputs; o++)
        for (Int k = 0; k < c; k++)
            for (Int t = 0; t < taps; t++) out[o * w->length + t * c + k] = weights[(o * c + k) * taps + t];
    return out;
}
static void window_gradients(const Windows *w, const float *gradients, Int outputs, float *out) {
    Int taps = w->tall * w->wide, c = w->channels;
    for (Int o = 0; o < outputs; o++)
        for (Int k = 0; k < c; k++)
            for (Int t = 0; t < taps; t++) out[(o * c + k) * taps + t] = gradients[o * w->length + t * c + k];
}
/* Rows of windows that are computed together, of several images where these are small. */
static Strip window_strip(const Windows *w) {
    Int rows = up(2 * STRIP / smaller(2 * STRIP, w->out_width), 2), pixels = w->out_height * w->out_width;
    if (rows < w->out_height) return (Strip){1, rows};
    return (Strip){PAIR * (1 + 63 / pixels), w->out_height};
}

enum { COPIED = 16 }; /* values at a time */
/* The windows of `rows` rows of the result from row y on. */
static void gather(const Windows *w, const Value *x, Int y, Int rows, Value *out) {
    Int c = w->channels, count = w->width * c, end = w->height * count;
    for (Int r = y; r < y + rows; r++)
        for (Int p = 0; p < w->out_width; p++, out += w->length) {
            Int left = p * w->stride - w->wide / 2, top = r * w->stride - w->tall / 2, past = left + w->wide - w->width;
            Int before = left < 0 ? -left * c : 0, after = past > 0 ? past * c : 0;
            for (Int k = 0; k < w->tall; k++) {
                Value *to = out + k * w->row;
                Int line = top + k, at = line * count + left * c;
                if (line < 0 || line >= w->height) memset(to, 0, sizeof(Value) * (size_t)w->row);
                else if (before + after == 0 && at + up(w->row, COPIED) <= end) /* what is copied too much the next row overwrites */
                    for (Int i = 0; i < w->row; i += COPIED) memcpy(to + i, x + at + i, sizeof(Value) * COPIED);
                else {
                    Int taken = w->row - before - after;
                    memset(to, 0, sizeof(Value) * (size_t)before);
                    memcpy(to + before, x + at + before, sizeof(Value) * (size_t)taken);
                    memset(to + before + taken, 0, sizeof(Value) * (size_t)after);
                }
            }
            if (w->tall * w->row < w->length) out[w->length - 1] = 0;
        }
}
/* Of an image with a border: room for the sums of its windows' gradients. */
static Int window_map(const Windows *w) { return (w->height + w->tall - 1) * (w->width + w->wide - 1) * w->channels; }
/* Add the gradients of windows, in order as they were gathered, to that of the image. */
static void scatter(const Windows *w, const Value *d, Int y, Int rows, float *map) {
    Int c = w->channels, line = (w->width + w->wide - 1) * c;
    for (Int r = y; r < y + rows; r++)
        for (Int p = 0; p < w->out_width; p++, d += w->length)
            for (Int k = 0; k < w->tall; k++) {
                const Value *from = d + k * w->row;
                float *to = map + (r * w->stride + k) * line + p * w->stride * c;
                Int i = 0;
                for (; i + LANES <= w->row; i += LANES) store_f32(to + i, load_f32(to + i) + LOAD(from + i));
                Int n = w->row - i;
                if (n > 0) store_f32_n(to + i, load_f32_n(to + i, (int)n) + LOAD_N(from + i, (int)n), (int)n);
            }
}
static void uncover(const Windows *w, const float *map, const Value *returned, Value *dx) {
    Int c = w->channels, line = (w->width + w->wide - 1) * c, count = w->width * c;
    for (Int y = 0; y < w->height; y++)
        inner_row(map + (y + w->tall / 2) * line + w->wide / 2 * c, of_image(returned, y * count), dx + y * count, count);
}
