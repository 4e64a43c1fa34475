/* Batch norm and ReLU over rows of channels: statistics, normalisation, and the two passes of the backward one.
 *
 * A block without ReLU is cut at a floor of minus infinity, which costs no instruction. Where a block ends a residual, what
 * is added to it and the floor of the sum are given to the normalisation.
 *
 * Rows are read as one flat array. Vectors meet the channels in a pattern that repeats after `period` vectors, so the
 * constants of a few vectors stay in registers whatever the channel count.
 */
enum { CHUNK = LANES == 8 ? 2 : 4, TILE = 4096, SOON = 2048 };

/* Maps are larger than the second cache; the processor's own guesses fetch them too late. */
INLINE void fetch_soon(const Value *p, int k) {
    enum { VECTORS = 64 / (LANES * (int)sizeof(Value)) }; /* of a line of the cache; none where it is less than one */
    if (VECTORS < 2 || k % (VECTORS ? VECTORS : 1) == 0) __builtin_prefetch(p + SOON);
}

typedef struct {
    Int vectors, lanes; /* of the pattern */
} Pattern;

static Pattern pattern_of(Int channels) {
    Int a = channels, b = LANES;
    while (b) {
        Int rest = a % b;
        a = b, b = rest;
    }
    Int vectors = channels / a;
    while (vectors < CHUNK) vectors *= 2; /* enough independent sums to hide the latency of an addition */
    return (Pattern){vectors, vectors * LANES};
}
/* Repeat a value per channel over the lanes of the pattern. */
static const float *spread(const float *values, Int channels, Pattern pattern) {
    float *lanes = TAKE(float, pattern.lanes);
    for (Int l = 0, c = 0; l < pattern.lanes; l++, c = c + 1 == channels ? 0 : c + 1) lanes[l] = values[c];
    return lanes;
}

/* Per lane sums in double, gathered from short sums in float32. */
typedef struct {
    Pattern pattern;
    Int channels;
    double *first, *second; /* of the pattern's lanes */
} Sums;
static Sums sums_open(Int channels) {
    Sums s = {pattern_of(channels), channels, NULL, NULL};
    s.first = TAKE_ZERO(double, s.pattern.lanes);
    s.second = TAKE_ZERO(double, s.pattern.lanes);
    return s;
}
/* Fold the lanes of each channel into the first `channels` entries. */
static void sums_close(Sums *s) {
    for (Int l = s->channels; l < s->pattern.lanes; l++) {
        s->first[l % s->channels] += s->first[l];
        s->second[l % s->channels] += s->second[l];
    }
}
INLINE void sums_add(Sums *s, Int lane, vf a, vf b) {
    for (int k = 0; k < LANES; k++) s->first[lane + k] += (double)a[k], s->second[lane + k] += (double)b[k];
}

/* Values summed in float32 before their sums go into doubles: some 32 a lane at least. */
static Int tile_of(Int whole) { return TILE < 32 * whole ? 32 * whole : up(TILE, whole); }

/* Sums of z - pivot and its square; the pivot, any value near the mean, keeps the variance from cancelling. */
INLINE void moments_chunk(Sums *s, const Value *z, Int count, Int lane, const float *pivot, const int vectors) {
    vf a[CHUNK], b[CHUNK], p[CHUNK];
    for (int k = 0; k < vectors; k++) a[k] = b[k] = (vf){}, p[k] = load_f32(pivot + lane + k * LANES);
    Int whole = s->pattern.lanes;
    for (Int i = lane; i < count; i += whole)
        for (int k = 0; k < vectors; k++) {
            vf v = LOAD(z + i + k * LANES) - p[k];
            a[k] += v;
            b[k] += v * v;
        }
    for (int k = 0; k < vectors; k++) sums_add(s, lane + k * LANES, a[k], b[k]);
}
static void moments(Sums *s, const Value *z, Int count, const float *pivot) {
    Int whole = s->pattern.lanes, tile = tile_of(whole), vectors = s->pattern.vectors, i = 0;
    for (; i + whole <= count;) {
        Int n = smaller(tile, (count - i) / whole * whole), v = 0;
        for (; v + CHUNK <= vectors; v += CHUNK) moments_chunk(s, z + i, n, v * LANES, pivot, CHUNK);
        for (; v < vectors; v++) moments_chunk(s, z + i, n, v * LANES, pivot, 1);
        i += n;
    }
    for (Int lane = 0; i < count; i += LANES, lane += LANES) {
        int n = (int)smaller(LANES, count - i);
        vf p = load_f32(pivot + lane), v = (n == LANES ? LOAD(z + i) : LOAD_N(z + i, n)) - p;
        for (int k = 0; k < n; k++) s->first[lane + k] += (double)v[k], s->second[lane + k] += (double)v[k] * (double)v[k];
    }
}

/* What normalisation does to a channel: y = relu((z - mean) * scale + bias). */
typedef struct {
    const float *mean, *scale, *bias; /* per lane of the pattern */
    const float *slope, *offset;      /* backward: dz = scale * dy' + (z - mean) * slope + offset */
    float floor;                      /* 0, or minus infinity where there is no ReLU */
} Affine;

/* Like torch, a NaN is kept: it is not below the floor. */
INLINE vf cut(vf v, vf floor) { return choose(v < floor, floor, v); }

/* What is added to a block's end to make a residual, NULL where there is none, and the floor of the sum. */
typedef struct {
    const Value *values;
    float floor;
} Added;

INLINE vf act(vf z, vf mean, vf scale, vf bias) { return (z - mean) * scale + bias; }

INLINE vf with_added(vf v, const Value *from, vf floor) { return cut(v + LOAD(from), floor); }
INLINE void normalize_chunk(const Affine *a, Int whole, const Value *z, const Value *x, vf sum_floor, Value *y, Int count, Int lane,
                            const int vectors, const int added) {
    vf m[CHUNK], s[CHUNK], b[CHUNK], floor = splat(a->floor);
    for (int k = 0; k < vectors; k++) {
        m[k] = load_f32(a->mean + lane + k * LANES);
        s[k] = load_f32(a->scale + lane + k * LANES);
        b[k] = load_f32(a->bias + lane + k * LANES);
    }
    for (Int i = lane; i < count; i += whole)
        for (int k = 0; k < vectors; k++) {
            fetch_soon(z + i + k * LANES, k), fetch_soon(y + i + k * LANES, k);
            if (added) fetch_soon(x + i + k * LANES, k);
            vf v = cut(act(LOAD(z + i + k * LANES), m[k], s[k], b[k]), floor);
            STORE(y + i + k * LANES, added ? with_added(v, x + i + k * LANES, sum_floor) : v);
        }
}
INLINE void normalize_by(const Affine *a, Pattern pattern, const Value *z, const Added *sum, Value *y, Int count, const int added) {
    Int whole = pattern.lanes, tile = up(TILE, whole), i = 0;
    const Value *x = added ? sum->values : NULL;
    vf floor = splat(a->floor), sum_floor = splat(added ? sum->floor : 0.0f);
    for (; i + whole <= count;) {
        Int n = smaller(tile, (count - i) / whole * whole), v = 0;
        for (; v + CHUNK <= pattern.vectors; v += CHUNK)
            normalize_chunk(a, whole, z + i, added ? x + i : x, sum_floor, y + i, n, v * LANES, CHUNK, added);
        for (; v < pattern.vectors; v++) normalize_chunk(a, whole, z + i, added ? x + i : x, sum_floor, y + i, n, v * LANES, 1, added);
        i += n;
    }
    for (Int lane = 0; i < count; i += LANES, lane += LANES) {
        int n = (int)smaller(LANES, count - i);
        vf m = load_f32(a->mean + lane), s = load_f32(a->scale + lane), b = load_f32(a->bias + lane);
        vf v = cut(act(n == LANES ? LOAD(z + i) : LOAD_N(z + i, n), m, s, b), floor);
        if (added) v = cut(v + (n == LANES ? LOAD(x + i) : LOAD_N(x + i, n)), sum_floor);
        if (n == LANES) STORE(y + i, v);
        else STORE_N(y + i, v, n);
    }
}
static void normalize(const Affine *a, Pattern pattern, const Value *z, const Added *sum, Value *y, Int count) {
    if (sum->values) normalize_by(a, pattern, z, sum, y, count, 1);
    else normalize_by(a, pattern, z, sum, y, count, 0);
}

/* dy where the ReLU was open; like torch's, a NaN leaves it open. */
INLINE vf opened(vf dy, vf z, vf mean, vf scale, vf bias, vf floor) {
    return choose(act(z, mean, scale, bias) <= floor, (vf){}, dy);
}

/* Sums of dy' and dy' (z - mean). */
INLINE void reduce_chunk(Sums *s, const Affine *a, const Value *z, const Value *dy, Int count, Int lane, const int vectors) {
    vf p[CHUNK], q[CHUNK], mean[CHUNK], scale[CHUNK], bias[CHUNK], floor = splat(a->floor);
    for (int k = 0; k < vectors; k++) {
        p[k] = q[k] = (vf){};
        mean[k] = load_f32(a->mean + lane + k * LANES);
        scale[k] = load_f32(a->scale + lane + k * LANES);
        bias[k] = load_f32(a->bias + lane + k * LANES);
    }
    Int whole = s->pattern.lanes;
    for (Int i = lane; i < count; i += whole)
        for (int k = 0; k < vectors; k++) {
            fetch_soon(z + i + k * LANES, k), fetch_soon(dy + i + k * LANES, k);
            vf v = LOAD(z + i + k * LANES), g = opened(LOAD(dy + i + k * LANES), v, mean[k], scale[k], bias[k], floor);
            p[k] += g;
            q[k] += g * (v - mean[k]);
        }
    for (int k = 0; k < vectors; k++) sums_add(s, lane + k * LANES, p[k], q[k]);
}
static void reduce(Sums *s, const Affine *a, const Value *z, const Value *dy, Int count) {
    Int whole = s->pattern.lanes, tile = tile_of(whole), vectors = s->pattern.vectors, i = 0;
    for (; i + whole <= count;) {
        Int n = smaller(tile, (count - i) / whole * whole), v = 0;
        for (; v + CHUNK <= vectors; v += CHUNK) reduce_chunk(s, a, z + i, dy + i, n, v * LANES, CHUNK);
        for (; v < vectors; v++) reduce_chunk(s, a, z + i, dy + i, n, v * LANES, 1);
        i += n;
    }
    for (Int lane = 0; i < count; i += LANES, lane += LANES) {
        int n = (int)smaller(LANES, count - i);
        vf m = load_f32(a->mean + lane), v = n == LANES ? LOAD(z + i) : LOAD_N(z + i, n);
        vf g = n == LANES ? LOAD(dy + i) : LOAD_N(dy + i, n);
        g = opened(g, v, m, load_f32(a->scale + lane), load_f32(a->bias + lane), splat(a->floor));
        vf h = g * (v - m);
        for (int k = 0; k < n; k++) s->first[lane + k] += (double)g[k], s->second[lane + k] += (double)h[k];
    }
}

/* dz from dy. */
INLINE void backward_chunk(const Affine *a, Int whole, const Value *z, const Value *dy, Value *dz, Int count, Int lane,
                           const int vectors) {
    vf mean[CHUNK], scale[CHUNK], bias[CHUNK], slope[CHUNK], offset[CHUNK], floor = splat(a->floor);
    for (int k = 0; k < vectors; k++) {
        mean[k] = load_f32(a->mean + lane + k * LANES);
        scale[k] = load_f32(a->scale + lane + k * LANES);
        bias[k] = load_f32(a->bias + lane + k * LANES);
        slope[k] = load_f32(a->slope + lane + k * LANES);
        offset[k] = load_f32(a->offset + lane + k * LANES);
    }
    for (Int i = lane; i < count; i += whole)
        for (int k = 0; k < vectors; k++) {
            if (LANES == 8) fetch_soon(z + i + k * LANES, k), fetch_soon(dy + i + k * LANES, k), fetch_soon(dz + i + k * LANES, k);
            vf v = LOAD(z + i + k * LANES), g = opened(LOAD(dy + i + k * LANES), v, mean[k], scale[k], bias[k], floor);
            STORE(dz + i + k * LANES, scale[k] * g + ((v - mean[k]) * slope[k] + offset[k]));
        }
}
static void backward(const Affine *a, Pattern pattern, const Value *z, const Value *dy, Value *dz, Int count) {
    Int whole = pattern.lanes, tile = up(TILE, whole), i = 0;
    for (; i + whole <= count;) {
        Int n = smaller(tile, (count - i) / whole * whole), v = 0;
        for (; v + CHUNK <= pattern.vectors; v += CHUNK) backward_chunk(a, whole, z + i, dy + i, dz + i, n, v * LANES, CHUNK);
        for (; v < pattern.vectors; v++) backward_chunk(a, whole, z + i, dy + i, dz + i, n, v * LANES, 1);
        i += n;
    }
    for (Int lane = 0; i < count; i += LANES, lane += LANES) {
        int n = (int)smaller(LANES, count - i);
        vf m = load_f32(a->mean + lane), s = load_f32(a->scale + lane);
        vf v = n == LANES ? LOAD(z + i) : LOAD_N(z + i, n), g = n == LANES ? LOAD(dy + i) : LOAD_N(dy + i, n);
        g = opened(g, v, m, s, load_f32(a->bias + lane), splat(a->floor));
        v = s * g + ((v - m) * load_f32(a->slope + lane) + load_f32(a->offset + lane));
        if (n == LANES) STORE(dz + i, v);
        else STORE_N(dz + i, v, n);
    }
}

typedef struct {
    const float *weight, *bias;          /* of the batch norm */
    float *running_mean, *running_var;   /* may be NULL */
    float *mean, *rstd;                  /* out of the forward pass, into the backward one */
    float momentum, eps;                 /* below 0: the running statistics count, and stay */
} Norm;

static int recalls(const Norm *norm) { return norm->momentum < 0; }
/* Statistics of evaluation; `shift` as below. */
static void recall_statistics(const Norm *norm, Int channels, const float *shift) {
    for (Int c = 0; c < channels; c++) {
        norm->mean[c] = norm->running_mean[c] - (shift ? shift[c] : 0);
        norm->rstd[c] = (float)(1 / sqrt((double)norm->running_var[c] + (double)norm->eps));
    }
}

/* Statistics from sums about a pivot; `shift`, which a bias before the norm adds to the mean, may be NULL. */
static void finish_statistics(Sums *s, const float *pivot, const Norm *norm, Int rows, const float *shift) {
    sums_close(s);
    for (Int c = 0; c < s->channels; c++) {
        double m = s->first[c] / (double)rows, var = s->second[c] / (double)rows - m * m;
        if (var < 0) var = 0;
        norm->mean[c] = (float)(pivot[c] + m);
        norm->rstd[c] = (float)(1 / sqrt(var + (double)norm->eps));
        if (norm->running_mean == NULL) continue;
        double unbiased = rows > 1 ? var * (double)rows / (double)(rows - 1) : var, t = norm->momentum;
        double mean = (double)norm->mean[c] + (shift ? (double)shift[c] : 0);
        norm->running_mean[c] = (float)((1 - t) * (double)norm->running_mean[c] + t * mean);
        norm->running_var[c] = (float)((1 - t) * (double)norm->running_var[c] + t * unbiased);
    }
}
static Affine affine_of(const Norm *norm, Int channels, Pattern pattern, float floor) {
    float *scale = TAKE(float, channels);
    for (Int c = 0; c < channels; c++) scale[c] = norm->weight[c] * norm->rstd[c];
    return (Affine){spread(norm->mean, channels, pattern), spread(scale, channels, pattern),
                    spread(norm->bias, channels, pattern), NULL, NULL, floor};
}
/* Gradients of weight and bias, and the constants of dz, from the sums of `reduce`. */
static void finish_backward(Sums *s, Affine *a, const Norm *norm, Int rows, float *dweight, float *dbias, float *slope,
                            float *offset) {
    sums_close(s);
    for (Int c = 0; c < s->channels; c++) {
        double rstd = norm->rstd[c], scale = norm->weight[c] * rstd;
        dbias[c] = (float)s->first[c];
        dweight[c] = (float)(s->second[c] * rstd);
        slope[c] = (float)(-scale * rstd * rstd * s->second[c] / (double)rows);
        offset[c] = (float)(-scale * s->first[c] / (double)rows);
    }
    a->slope = spread(slope, s->channels, s->pattern);
    a->offset = spread(offset, s->channels, s->pattern);
}
/* Sums of each channel. */
static void add_up(const Value *x, Int rows, Int channels, float *out) {
    Sums sums = sums_open(channels);
    moments(&sums, x, rows * channels, TAKE_ZERO(float, sums.pattern.lanes));
    sums_close(&sums);
    for (Int c = 0; c < channels; c++) out[c] = (float)sums.first[c];
}
