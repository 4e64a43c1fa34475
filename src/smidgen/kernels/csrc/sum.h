/* Sums of two maps, where no block computes them at its end, and what a ReLU after a sum does to the gradient. */
static void add_maps(const Value *a, const Value *b, Value *out, Int count, float floor) {
    Int i = 0;
    vf f = splat(floor);
    for (; i + LANES <= count; i += LANES) STORE(out + i, cut(LOAD(a + i) + LOAD(b + i), f));
    if (i < count) STORE_N(out + i, cut(LOAD_N(a + i, (int)(count - i)) + LOAD_N(b + i, (int)(count - i)), f), (int)(count - i));
}
/* The gradient that goes past a residual's layers joins that of their input, image by image. */
static void join_returned(const Tailed *t, Value *dx, Int from, Int count) {
    if (dx && t->asked.returned) add_maps(dx + from, t->asked.returned + from, dx + from, count, -INFINITY);
}
static void close_cut(const Value *y, const Value *dy, Value *out, Int count) {
    Int i = 0;
    for (; i + LANES <= count; i += LANES) STORE(out + i, choose(LOAD(y + i) <= 0.0f, (vf){}, LOAD(dy + i)));
    if (i < count) {
        int n = (int)(count - i);
        STORE_N(out + i, choose(LOAD_N(y + i, n) <= 0.0f, (vf){}, LOAD_N(dy + i, n)), n);
    }
}
