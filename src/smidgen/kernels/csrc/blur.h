/* The blur alone, a binomial filter at a stride with a reflected border: as depth_apart.h, with the same weights for all channels. */
static Depth blur_of(Int height, Int width, Int channels, Int kernel, Int stride) {
    Depth d = depth_of(height, width, channels, kernel, kernel, stride);
    d.zeros = NULL; /* it has a border of its own */
    return d;
}
static const float *blur_weights(Int kernel, Int channels) {
    float *out = TAKE_ZERO(float, kernel * kernel * channels + LANES), *line = TAKE_ZERO(float, kernel), total = 0.0f;
    line[0] = 1.0f;
    for (Int n = 1; n < kernel; n++)
        for (Int i = n; i > 0; i--) line[i] += line[i - 1];
    for (Int i = 0; i < kernel; i++) total += line[i];
    for (Int t = 0; t < kernel * kernel; t++)
        for (Int c = 0; c < channels; c++) out[t * channels + c] = line[t / kernel] * line[t % kernel] / (total * total);
    return out;
}
/* The image with its border. */
static void blur_border(const Depth *d, const Value *x, float *map) {
    Int reach = d->kernel / 2, c = d->channels, row = depth_row(d), count = d->width * c;
    for (Int y = -reach; y < d->height + reach; y++) {
        const Value *from = x + reflect(y, d->height) * count;
        float *to = map + (y + reach) * row;
        for (Int k = -reach; k < 0; k++) rows_in(from + reflect(k, d->width) * c, to + (k + reach) * c, c);
        rows_in(from, to + reach * c, count);
        for (Int k = d->width; k < d->width + reach; k++) rows_in(from + reflect(k, d->width) * c, to + (k + reach) * c, c);
    }
}
static void add_floats(const float *from, float *to, Int count) {
    for (Int i = 0; i < count; i++) to[i] += from[i];
}
/* The gradients of a border join those of what it repeats. */
static void blur_fold(const Depth *d, float *map) {
    Int reach = d->kernel / 2, c = d->channels, row = depth_row(d), high = d->height, wide = d->width;
    for (Int y = 0; y < high + 2 * reach; y++)
        for (Int k = 1; k <= reach; k++) {
            float *line = map + y * row + reach * c;
            add_floats(line - k * c, line + reflect(-k, wide) * c, c);
            add_floats(line + (wide - 1 + k) * c, line + reflect(wide - 1 + k, wide) * c, c);
        }
    for (Int k = 1; k <= reach; k++) {
        float *first = map + reach * row;
        add_floats(first - k * row, first + reflect(-k, high) * row, row);
        add_floats(first + (high - 1 + k) * row, first + reflect(high - 1 + k, high) * row, row);
    }
}
