/* What follows the convolution of a block, as one operation each way: norm, ReLU, then perhaps gates, then perhaps pooling, or
 * the sum of a residual.
 *
 * Norm and ReLU keep the order of a channel's values, or turn it round, and gates are positive: so where pooling takes the
 * largest of four, the four are compared before them, and norm, ReLU and gate see a quarter of the values. `sign` is -1
 * where the order is turned round. The pass backward first gathers, by image and channel, the sum of the gradient where the
 * ReLU is open and the sum of that gradient times z - mean: from these follow the gradients of gates and of the norm.
 */
typedef struct {
    Int pool, latent; /* 0, 1 at stride 2, 2 at stride 1 and blurred; no gates where latent is 0 */
    const float *squeeze, *excite;
    float *dsqueeze, *dexcite;
    float *mean, *hidden, *gate, *open; /* by groups of LANES images; `open` holds count and sum of z - mean where open */
    Value *pooled;                      /* the values that were largest, where pooled at stride 2 */
    Int plain, cut;                     /* no ReLU after the norm; a ReLU after the sum */
    const Value *added;                 /* to the end of the block, or NULL */
    const Value *returned;              /* a gradient that is added to that of the block's input, or NULL */
} Tail;

typedef struct {
    Tail asked;
    Pool pool;
    Gate gate;
    const Norm *norm;
    Int images, channels, count, left; /* values of an image's map before and after pooling */
    Pattern pattern;
    Int whole;                                                  /* lanes of a walk: the pattern's, or where those are many, the channels */
    Int places;                                                 /* of a row of the map, or lanes of a walk, and a vector more */
    float floor;                                                /* of what follows the norm */
    Added sum;
    Affine affine;                                              /* by lane of the pattern */
    const float *mean, *scale, *bias, *sign, *slope, *offset;   /* by place in a row of the map */
    float *gain, *lift;                                         /* of the image at hand: by place or by lane */
    float *dlogit, *dhidden, *dmean, *first, *second;
    Value *scattered;                                           /* the gradient after the blur, at full size */
} Tailed;

static const float *by_place(const float *values, Int channels, Int count) {
    float *out = TAKE(float, count + LANES);
    for (Int i = 0, c = 0; i < count + LANES; i++, c = c + 1 == channels ? 0 : c + 1) out[i] = values[c];
    return out;
}
static Tailed tail_of(const Tail *asked, const Norm *norm, Int images, Int height, Int width, Int channels) {
    Tailed t = {.norm = norm, .images = images, .channels = channels, .pattern = pattern_of(channels)};
    if (asked) t.asked = *asked;
    t.floor = t.asked.plain ? -INFINITY : 0.0f;
    t.sum = (Added){t.asked.added, t.asked.cut ? 0.0f : -INFINITY};
    t.count = t.left = height * width * channels;
    t.whole = t.pattern.lanes > 16 * LANES && channels >= 4 * LANES ? channels : t.pattern.lanes;
    t.places = (t.asked.pool && t.whole < width * channels ? width * channels : t.whole) + CHUNK * LANES;
    if (t.asked.pool) {
        t.pool = pool_open(height, width, channels, 2, 2, 2);
        t.left = t.pool.out_height * t.pool.out_width * channels;
    }
    if (t.asked.pool && norm->weight) {
        float *sign = TAKE(float, channels);
        for (Int c = 0; c < channels; c++) sign[c] = norm->weight[c] < 0.0f ? -1.0f : 1.0f;
        t.sign = by_place(sign, channels, width * channels);
    }
    if (t.asked.latent) t.gate = gate_of(height * width, channels, t.asked.latent, t.asked.squeeze, t.asked.excite);
    return t;
}
/* Once the norm's statistics are known. */
static void tail_constants(Tailed *t) {
    Int c = t->channels, places = t->pool.width * c;
    const Norm *norm = t->norm;
    t->affine = affine_of(norm, c, t->pattern, t->floor);
    if (!t->asked.pool && !t->asked.latent) return;
    float *scale = TAKE(float, c);
    for (Int i = 0; i < c; i++) scale[i] = norm->weight[i] * norm->rstd[i];
    t->scale = by_place(scale, c, places);
    t->mean = by_place(norm->mean, c, places), t->bias = by_place(norm->bias, c, places);
    t->gain = TAKE(float, t->places), t->lift = TAKE(float, t->places);
    for (Int i = 0; i < t->places; i++) t->gain[i] = 1.0f, t->lift[i] = 0.0f;
}
/* Repeat what every LANES-th place of a group says of each channel. */
static void repeat(const Tailed *t, const float *values, float *out) {
    Int c = t->channels;
    for (Int i = 0; i < c; i++) out[i] = values[i * LANES];
    for (Int i = c; i < t->places; i += c) memcpy(out + i, out, sizeof(float) * (size_t)smaller(c, t->places - i));
}
static float *of_group(float *all, Int image, Int values) { return all + image / LANES * LANES * values; }

/* Adds the lanes of a pattern up by channel, into every LANES-th place. */
static void fold(const Tailed *t, const float *lanes, Int count, float *out) {
    for (Int c = 0; c < t->channels; c++) out[c * LANES] = 0.0f;
    for (Int i = 0, c = 0; i < count; i++, c = c + 1 == t->channels ? 0 : c + 1) out[c * LANES] += lanes[i];
}
/* Constants of some vectors of the pattern's lanes, in registers. */
typedef struct {
    vf mean[CHUNK], scale[CHUNK], bias[CHUNK], gain[CHUNK], lift[CHUNK], slope[CHUNK], offset[CHUNK];
} Chunk;
INLINE Chunk chunk_of(const Tailed *t, Int lane, const int vectors, const int gated, const int back) {
    Chunk h;
    for (int k = 0; k < vectors; k++) {
        Int at = lane + k * LANES;
        h.mean[k] = load_f32(t->affine.mean + at), h.scale[k] = load_f32(t->affine.scale + at), h.bias[k] = load_f32(t->affine.bias + at);
        if (gated) h.gain[k] = load_f32(t->gain + at);
        if (back) h.lift[k] = load_f32(t->lift + at), h.slope[k] = load_f32(t->affine.slope + at), h.offset[k] = load_f32(t->affine.offset + at);
    }
    return h;
}
/* The walk over an image: whole repetitions of its lanes by CHUNK vectors at a time, then the rest by single ones. */
#define WALK(t, count, chunk)                                                                                  \
    do {                                                                                                       \
        Int whole_ = (t)->whole, main_ = (count) / whole_ * whole_, lane_ = 0;                                 \
        for (; lane_ + CHUNK * LANES <= whole_; lane_ += CHUNK * LANES) chunk(lane_, lane_, main_, CHUNK, LANES); \
        for (; lane_ + LANES <= whole_; lane_ += LANES) chunk(lane_, lane_, main_, 1, LANES);                  \
        if (lane_ < whole_) chunk(lane_, lane_, main_, 1, whole_ - lane_);                                     \
        for (lane_ = 0; main_ + lane_ < (count); lane_ += LANES)                                               \
            chunk(lane_, main_ + lane_, main_ + lane_ + 1, 1, smaller(LANES, (count) - main_ - lane_));        \
    } while (0)
/* Zero past the first n lanes. */
INLINE vf first_lanes(vf v, Int n) {
    float kept[LANES] = {0}, all[LANES];
    if (n >= LANES) return v;
    store_f32(all, v);
    for (Int k = 0; k < n; k++) kept[k] = all[k];
    return load_f32(kept);
}
INLINE void add_lanes(float *sums, vf v) { store_f32(sums, load_f32(sums) + v); }

/* Of an image: how many values of a channel the ReLU lets pass, and their sum of z - mean. */
INLINE void open_chunk(const Tailed *t, const Value *z, Int lane, Int from, Int to, const int vectors, Int n) {
    Chunk h = chunk_of(t, lane, vectors, 0, 0);
    vf number[CHUNK], sum[CHUNK];
    vf floor = splat(t->floor);
    Int whole = t->whole;
    for (int k = 0; k < vectors; k++) number[k] = sum[k] = (vf){};
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            vf v = load_some(z + i + k * LANES, n) - h.mean[k];
            vi closed = v * h.scale[k] + h.bias[k] <= floor;
            number[k] += choose(closed, (vf){}, splat(1.0f)), sum[k] += choose(closed, (vf){}, v);
        }
    for (int k = 0; k < vectors; k++) {
        add_lanes(t->gain + lane + k * LANES, first_lanes(number[k], n));
        add_lanes(t->lift + lane + k * LANES, first_lanes(sum[k], n));
    }
}
static void clear_lanes(const Tailed *t) {
    memset(t->gain, 0, sizeof(float) * (size_t)(t->whole + LANES));
    memset(t->lift, 0, sizeof(float) * (size_t)(t->whole + LANES));
}
static void tail_open(const Tailed *t, const Value *z, float *number, float *sum) {
    clear_lanes(t);
#define OPEN(lane, from, to, vectors, n) open_chunk(t, z, lane, from, to, vectors, n)
    WALK(t, t->count, OPEN);
    fold(t, t->gain, t->whole, number);
    fold(t, t->lift, t->whole, sum);
}
static void tail_gates(const Tailed *t, const Value *z, Int image, Int images) {
    Int channels = t->channels;
    float *number = of_group(t->asked.open, image, 2 * channels), *sum = number + channels * LANES;
    float *mean = of_group(t->asked.mean, image, channels);
    if (images < LANES) memset(number, 0, sizeof(float) * (size_t)(2 * channels * LANES));
    for (Int k = 0; k < images; k++) tail_open(t, z + k * t->count, number + k, sum + k);
    for (Int c = 0; c < channels; c++) {
        float scale = t->norm->weight[c] * t->norm->rstd[c];
        vf all = scale * load_f32(sum + c * LANES) + t->norm->bias[c] * load_f32(number + c * LANES);
        store_f32(mean + c * LANES, all * t->gate.share);
    }
    gate_of_means(&t->gate, mean, of_group(t->asked.hidden, image, t->asked.latent), of_group(t->asked.gate, image, channels));
}
/* relu(act(v)) times the gate, at a place of a row. */
INLINE vf tail_act(const Tailed *t, Int i, vf v) {
    return cut(act(v, load_f32(t->mean + i), load_f32(t->scale + i), load_f32(t->bias + i)), splat(t->floor)) * load_f32(t->gain + i);
}
/* Where a pixel's channels take a vector or more: one of them at a time, its constants in registers. */
INLINE vf four_largest(const Value *top, const Value *low, Int c, vf sign, vf four[4]) {
    four[0] = LOAD(top) * sign, four[1] = LOAD(top + c) * sign, four[2] = LOAD(low) * sign, four[3] = LOAD(low + c) * sign;
    return larger(larger(four[0], four[1]), larger(four[2], four[3]));
}
static void tail_max_vectors(const Tailed *t, const Value *z, Value *kept) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c;
    for (Int v = 0; v < c; v += LANES) {
        Int j = whole_vector(v, c);
        vf sign = load_f32(t->sign + j), four[4];
        for (Int r = 0; r < p->out_height; r++)
            for (Int k = 0; k < p->out_width; k++) {
                const Value *from = z + 2 * r * count + 2 * k * c + j;
                Int to = (r * p->out_width + k) * c + j;
                STORE(kept + to, four_largest(from, from + count, c, sign, four) * sign);
            }
    }
}
static void tail_max(const Tailed *t, const Value *z, Value *kept) {
    const Pool *p = &t->pool;
    if (t->channels >= LANES) {
        tail_max_vectors(t, z, kept);
        return;
    }
    Int c = t->channels, count = p->width * c, out_count = p->out_width * c;
    float *tall = p->row[0], *out = p->row[1];
    for (Int r = 0; r < p->out_height; r++, kept += out_count) {
        const Value *top = z + 2 * r * count, *low = top + count;
        for (Int i = 0; i < count; i += LANES) {
            vf s = load_f32(t->sign + i);
            store_f32(tall + i, larger(s * load_some(top + i, count - i), s * load_some(low + i, count - i)));
        }
        for (Int k = 0; k < p->out_width; k++)
            store_f32(out + k * c, larger(load_f32(tall + 2 * k * c), load_f32(tall + 2 * k * c + c)));
        for (Int i = 0; i < out_count; i += LANES) store_some(kept + i, load_f32(out + i) * load_f32(t->sign + i), out_count - i);
    }
}
/* A row of the pooled map after norm, ReLU and gate. */
static void tail_blur_row(const Tailed *t, const Value *z, Int r) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c, wide = count - c;
    const Value *top = z + r * count, *low = top + count;
    float *out = p->map + r * wide;
    if (c >= LANES) { /* each column's larger value serves two windows */
        for (Int v = 0; v < c; v += LANES) {
            Int j = whole_vector(v, c);
            vf s = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
            vf gain = load_f32(t->gain + j), floor = splat(t->floor), left = larger(s * LOAD(top + j), s * LOAD(low + j));
            for (Int i = j; i < wide; i += c) {
                vf right = larger(s * LOAD(top + i + c), s * LOAD(low + i + c));
                store_f32(out + i, cut(act(s * larger(left, right), m, a, b), floor) * gain);
                left = right;
            }
        }
        return;
    }
    for (Int i = 0; i < wide; i += LANES) {
        vf s = load_f32(t->sign + i);
        Int n = wide - i;
        vf a = larger(s * load_some(top + i, n), s * load_some(top + i + c, n));
        vf b = larger(s * load_some(low + i, n), s * load_some(low + i + c, n));
        store_f32(out + i, tail_act(t, i, s * larger(a, b)));
    }
}
static void tail_max_blur(const Tailed *t, const Value *z, Value *y) {
    const Pool *p = &t->pool;
    for (Int r = 0, done = 0; r < p->out_height; r++) {
        for (; done < p->height - 1 && done <= 2 * r + 1; done++) tail_blur_row(t, z, done);
        blur_forward_row(p, r, y);
    }
}
/* While an image's product is in the cache: what pooling needs no statistics for. */
static void tail_early(const Tailed *t, Int image, const Value *z, Value *y) {
    if (t->asked.pool == 0) return;
    if (t->norm->weight == NULL) (t->asked.pool == 2 ? max_blur_forward : max_forward)(&t->pool, z, y + image * t->left);
    else if (t->asked.pool == 1) tail_max(t, z, t->asked.pooled + image * t->left);
}
INLINE void gated_chunk(const Tailed *t, const Value *z, const Value *x, Value *y, Int lane, Int from, Int to, const int vectors,
                        Int n) {
    Chunk h = chunk_of(t, lane, vectors, 1, 0);
    vf floor = splat(t->floor), sum_floor = splat(t->sum.floor);
    Int whole = t->whole;
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            vf v = cut(act(load_some(z + at, n), h.mean[k], h.scale[k], h.bias[k]), floor) * h.gain[k];
            if (x) v = cut(v + load_some(x + at, n), sum_floor);
            store_some(y + at, v, n);
        }
}
static void tail_gated(const Tailed *t, const Value *z, const Value *x, Value *y, Int count) {
#define GATED(lane, from, to, vectors, n) gated_chunk(t, z, x, y, lane, from, to, vectors, n)
    WALK(t, count, GATED);
}
static void tail_forward(Tailed *t, const Value *z, Value *y) {
    if (t->norm->weight == NULL) return;
    tail_constants(t);
    if (t->asked.pool < 2 && !t->asked.latent) {
        normalize(&t->affine, t->pattern, t->asked.pool ? t->asked.pooled : z, &t->sum, y, t->images * t->left);
        return;
    }
    for (Int i = 0; i < t->images; i++) {
        if (t->asked.latent) {
            if (i % LANES == 0) tail_gates(t, z + i * t->count, i, smaller(LANES, t->images - i));
            repeat(t, of_group(t->asked.gate, i, t->channels) + i % LANES, t->gain);
        }
        const Value *from = z + i * t->count;
        Value *to = y + i * t->left;
        if (t->asked.pool == 2) tail_max_blur(t, from, to);
        else tail_gated(t, t->asked.pool ? t->asked.pooled + i * t->left : from, t->sum.values ? t->sum.values + i * t->left : NULL, to, t->left);
    }
}
