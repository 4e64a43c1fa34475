/* Convolutions of stride 1 and the gradients of their weights, on vectors: as a product, or as Winograd's. */
typedef struct {
    int fast;
    Winograd winograd;
    Product product;
    Item *map; /* the padded image */
    Int channels, kernel, room;
    const float *bias; /* of a pointwise one, a whole number of vectors, or NULL */
    Ahead *ahead;
} Convolution;
static Convolution convolution_of(Int height, Int width, Int inputs, Int outputs, Int kernel, const float *weights,
                                  int transposed) {
    Convolution c = {.channels = inputs, .kernel = kernel};
    c.fast = winograd_pays(inputs, outputs, kernel, height, width);
    if (c.fast) {
        c.winograd = winograd_of(height, width, inputs, outputs, weights, transposed);
        return c;
    }
    /* A window's row is read in units. One more item than its pixels hold meets a weight of zero, so where there are
     * few channels pixels are not padded to units. */
    Int taps = kernel * kernel, room = inputs < 4 ? inputs : up(inputs, PAIR), columns = up(outputs, LANES);
    Int row = (width + kernel - 1) * room, length = up(kernel * room, PAIR) / PAIR;
    Packing packing = {outputs, columns, kernel, inputs, room, inputs * taps, taps, 0};
    if (transposed) packing.output_step = taps, packing.input_step = outputs * taps, packing.flipped = 1;
    c.room = room;
    c.map = TAKE_ZERO(Item, (height + kernel - 1) * row + PAIR);
    c.product = (Product){c.map, height, width, kernel, room, row, length, pack(&packing, weights), outputs, columns, NULL, NULL, NULL, NULL};
    if (kernel == 1) c.product.height = 1, c.product.width = height * width;
    return c;
}
static void convolve(Convolution *c, const Value *x, Value *out, Int height, Int width) {
    if (c->fast) {
        c->winograd.ahead = c->ahead;
        winograd(&c->winograd, x, out);
        return;
    }
    c->product.result = out, c->product.bias = c->bias, c->product.ahead = c->ahead;
    if (c->kernel == 1) c->product.width = height * width;
#if PAIRED || !BFLOAT16
    if (c->kernel == 1 && c->room == c->channels && c->room % PAIR == 0) c->product.map = x;
    else
#endif
        pad_items(x, c->map, height, width, c->channels, c->room, (width + c->kernel - 1) * c->room, c->kernel / 2);
    product(&c->product);
}

/* The gradient of a convolution's weights, summed over images taken PAIR at a time. */
typedef struct {
    int fast;
    WinogradGradient winograd;
    Gradient gradient;
    Unit *map, *d;
    Int height, width, channels, kernel;
    Ahead *ahead;
} WeightGradient;
static WeightGradient weight_gradient_of(Int height, Int width, Int inputs, Int outputs, Int kernel) {
    WeightGradient w = {.height = height, .width = width, .channels = inputs, .kernel = kernel};
    Int columns = up(outputs, LANES), taps = kernel * kernel;
    w.fast = winograd_pays(inputs, outputs, kernel, height, width);
    if (w.fast) {
        w.winograd = winograd_gradient_of(height, width, inputs, outputs);
        return w;
    }
    w.map = TAKE_ZERO(Unit, (height + kernel - 1) * (width + kernel - 1) * inputs);
    w.d = TAKE(Unit, height * width * outputs);
    w.gradient = (Gradient){w.map, w.d, height, width, kernel, inputs, outputs, columns, NULL, NULL};
    if (kernel == 1) w.gradient.height = 1, w.gradient.width = height * width;
    w.gradient.sums = TAKE_ZERO(float, taps * inputs * columns);
    return w;
}
/* A pointwise one, over pixels of which the second half may be some short of the first. */
static void add_pixels(WeightGradient *w, const Value *x, const Value *d, Int pixels, Int outputs) {
    Int first = PAIR == 2 ? (pixels + 1) / 2 : pixels, inputs = w->channels;
    pair_values(x, x + first * inputs, w->map, first * inputs);
    pair_values(d, d + first * outputs, w->d, first * outputs);
    w->gradient.width = first, w->gradient.ahead = w->ahead;
    gradient(&w->gradient);
}
static void add_gradient(WeightGradient *w, const Value *const x[2], const Value *const d[2]) {
    w->gradient.ahead = w->winograd.gradient.ahead = w->ahead;
    if (w->fast) {
        winograd_add(&w->winograd, x, d);
        return;
    }
    pad_pairs(x[0], x[1], w->map, w->height, w->width, w->channels, w->kernel / 2);
    pair_values(d[0], d[1], w->d, w->height * w->width * w->gradient.outputs);
    gradient(&w->gradient);
}
static void finish_gradient(const WeightGradient *w, float *out) { /* [output][input][tap] */
    if (w->fast) {
        winograd_finish(&w->winograd, out);
        return;
    }
    Int taps = w->kernel * w->kernel;
    const float *sums = w->gradient.sums;
    for (Int t = 0; t < taps; t++)
        for (Int c = 0; c < w->channels; c++, sums += w->gradient.columns)
            for (Int o = 0; o < w->gradient.outputs; o++) out[(o * w->channels + c) * taps + t] = sums[o];
}
/* Nothing to set up; matrix units have. */
static void products_open(const Convolution *c) { (void)c; }
static void products_close(void) {}
