/* What follows the convolution of a block, as one operation each way: norm, ReLU, then perhaps gates, then perhaps pooling.
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
    t.count = t.left = height * width * channels;
    t.whole = t.pattern.lanes > 16 * LANES && channels >= 4 * LANES ? channels : t.pattern.lanes;
    t.places = (t.asked.pool && t.whole < width * channels ? width * channels : t.whole) + CHUNK * LANES;
    if (t.asked.pool) {
        t.pool = pool_open(height, width, channels, t.asked.pool == 2);
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
    t->affine = affine_of(norm, c, t->pattern);
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
    Int whole = t->whole;
    for (int k = 0; k < vectors; k++) number[k] = sum[k] = (vf){};
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            vf v = load_some(z + i + k * LANES, n) - h.mean[k];
            vi closed = v * h.scale[k] + h.bias[k] <= 0.0f;
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
    return relu(act(v, load_f32(t->mean + i), load_f32(t->scale + i), load_f32(t->bias + i))) * load_f32(t->gain + i);
}
INLINE void store_some(Value *to, vf v, Int n) {
    if (n >= LANES) STORE(to, v);
    else STORE_N(to, v, (int)n);
}
/* Where vectors hold the channels of one pixel: a vector of channels at a time, its constants in registers. */
INLINE vf four_largest(const Value *top, const Value *low, Int c, vf sign, vf four[4]) {
    four[0] = LOAD(top) * sign, four[1] = LOAD(top + c) * sign, four[2] = LOAD(low) * sign, four[3] = LOAD(low + c) * sign;
    return larger(larger(four[0], four[1]), larger(four[2], four[3]));
}
static void tail_max_vectors(const Tailed *t, const Value *z, Value *kept) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c;
    for (Int j = 0; j < c; j += LANES) {
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
    if (t->channels % LANES == 0) {
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
            for (Int j = 0; j < c; j += LANES)
                store_f32(out + k * c + j, larger(load_f32(tall + 2 * k * c + j), load_f32(tall + 2 * k * c + c + j)));
        for (Int i = 0; i < out_count; i += LANES) store_some(kept + i, load_f32(out + i) * load_f32(t->sign + i), out_count - i);
    }
}
/* A row of the pooled map after norm, ReLU and gate. */
static void tail_blur_row(const Tailed *t, const Value *z, Int r) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c, wide = count - c;
    const Value *top = z + r * count, *low = top + count;
    float *out = p->map + r * wide;
    if (c % LANES == 0) { /* each column's larger value serves two windows */
        for (Int j = 0; j < c; j += LANES) {
            vf s = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
            vf gain = load_f32(t->gain + j), left = larger(s * LOAD(top + j), s * LOAD(low + j));
            for (Int i = j; i < wide; i += c) {
                vf right = larger(s * LOAD(top + i + c), s * LOAD(low + i + c));
                store_f32(out + i, relu(act(s * larger(left, right), m, a, b)) * gain);
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
INLINE void gated_chunk(const Tailed *t, const Value *z, Value *y, Int lane, Int from, Int to, const int vectors, Int n) {
    Chunk h = chunk_of(t, lane, vectors, 1, 0);
    Int whole = t->whole;
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            store_some(y + at, relu(act(load_some(z + at, n), h.mean[k], h.scale[k], h.bias[k])) * h.gain[k], n);
        }
}
static void tail_gated(const Tailed *t, const Value *z, Value *y, Int count) {
#define GATED(lane, from, to, vectors, n) gated_chunk(t, z, y, lane, from, to, vectors, n)
    WALK(t, count, GATED);
}
static void tail_forward(Tailed *t, const Value *z, Value *y) {
    if (t->norm->weight == NULL) return;
    tail_constants(t);
    if (t->asked.pool < 2 && !t->asked.latent) {
        normalize(&t->affine, t->pattern, t->asked.pool ? t->asked.pooled : z, y, t->images * t->left);
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
        else tail_gated(t, t->asked.pool ? t->asked.pooled + i * t->left : from, to, t->left);
    }
}

/* Of an image: sums of dy where the ReLU is open, and of dy times z - mean there. */
INLINE void sums_chunk(const Tailed *t, const Value *z, const Value *dy, Int lane, Int from, Int to, const int vectors, Int n) {
    Chunk h = chunk_of(t, lane, vectors, 0, 0);
    vf p[CHUNK], q[CHUNK];
    Int whole = t->whole;
    for (int k = 0; k < vectors; k++) p[k] = q[k] = (vf){};
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            vf v = load_some(z + at, n), g = opened(load_some(dy + at, n), v, h.mean[k], h.scale[k], h.bias[k]);
            p[k] += g, q[k] += g * (v - h.mean[k]);
        }
    for (int k = 0; k < vectors; k++) {
        add_lanes(t->gain + lane + k * LANES, p[k]);
        add_lanes(t->lift + lane + k * LANES, first_lanes(q[k], n));
    }
}
static void tail_sums(const Tailed *t, const Value *z, const Value *dy, Int count, float *first, float *second) {
    clear_lanes(t);
#define SUMS(lane, from, to, vectors, n) sums_chunk(t, z, dy, lane, from, to, vectors, n)
    WALK(t, count, SUMS);
    fold(t, t->gain, t->whole, first);
    fold(t, t->lift, t->whole, second);
}
/* The gradient of some values of a row of the pooled map where the ReLU is open; gathers the sums, by place. */
INLINE vf tail_between(const void *context, Int i, vf largest, vf d) {
    const Tailed *t = context;
    vf m = load_f32(t->mean + i), v = load_f32(t->sign + i) * largest;
    d = opened(d, v, m, load_f32(t->scale + i), load_f32(t->bias + i));
    add_lanes(t->gain + i, d);
    add_lanes(t->lift + i, choose(d == 0.0f, d, d * (v - m))); /* past the end of the row d is zero */
    return d;
}
/* Where vectors hold the channels of one pixel: a row of windows from left to right, what it shares with the next in registers
 * and, for the row below, in `under`. */
static void tail_blur_back_row(const Tailed *t, const Value *z, const float *g, Int j, float *under, Value *dx) {
    Int c = t->channels, count = t->pool.width * c, last = count - c;
    vf s = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
    vf first = load_f32(t->gain + j), second = load_f32(t->lift + j), right = {}, low_right = {};
    const Value *low = z + count;
    vf here = s * LOAD(z + j), below = s * LOAD(low + j), column = larger(here, below);
    for (Int i = j; i < last; i += c) {
        vf next = s * LOAD(z + i + c), next_below = s * LOAD(low + i + c), next_column = larger(next, next_below);
        vf top = larger(column, next_column), v = s * top, d = opened(load_f32(g + i), v, m, a, b);
        first += d, second += d * (v - m);
        Four f = to_first(here, next, below, next_below, top, d);
        STORE(dx + i, f.a + right + load_f32(under + i));
        store_f32(under + i, f.c + low_right);
        right = f.b, low_right = f.d, here = next, below = next_below, column = next_column;
    }
    STORE(dx + last + j, right + load_f32(under + last + j));
    store_f32(under + last + j, low_right);
    store_f32(t->gain + j, first), store_f32(t->lift + j, second);
}
static void tail_blur_sums(const Tailed *t, const Value *z, const Value *dy, Value *scattered, float *first, float *second) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c, wide = count - c, out_count = p->out_width * c;
    memset(t->gain, 0, sizeof(float) * (size_t)(wide + LANES));
    memset(t->lift, 0, sizeof(float) * (size_t)(wide + LANES));
    if (c % LANES == 0) {
        float *under = memset(p->row[2], 0, sizeof(float) * (size_t)count);
        for (Int r = 0; r < p->out_height; r++) rows_in(dy + r * out_count, p->map + r * out_count, out_count);
        for (Int r = 0; r + 1 < p->height; r++) {
            blur_back_row(p, r);
            for (Int j = 0; j < c; j += LANES) tail_blur_back_row(t, z + r * count, p->row[1], j, under, scattered + r * count);
        }
        rows_out(under, scattered + (p->height - 1) * count, count);
        fold(t, t->gain, c, first);
        fold(t, t->lift, c, second);
        return;
    }
    max_blur_backward_by(&t->pool, t->sign, z, dy, scattered, tail_between, t);
    fold(t, t->gain, wide, first);
    fold(t, t->lift, wide, second);
}
/* Adds a group's sums to those of the norm, through its gates if there are any. */
static void tail_group(const Tailed *t, Int image, Sums *sums) {
    Int channels = t->channels;
    const float *scale = t->norm->weight, *rstd = t->norm->rstd, *bias = t->norm->bias;
    const float *gate = NULL, *number = NULL, *z_sum = NULL;
    float *dmean = NULL;
    if (t->asked.latent) {
        float *dlogit = of_group(t->dlogit, image, channels), *dhidden = of_group(t->dhidden, image, t->asked.latent);
        gate = of_group(t->asked.gate, image, channels), dmean = of_group(t->dmean, image, channels);
        number = of_group(t->asked.open, image, 2 * channels), z_sum = number + channels * LANES;
        for (Int c = 0; c < channels; c++) {
            vf all = scale[c] * rstd[c] * load_f32(t->second + c * LANES) + bias[c] * load_f32(t->first + c * LANES);
            store_f32(dlogit + c * LANES, all);
        }
        gate_to_means(&t->gate, of_group(t->asked.hidden, image, t->asked.latent), gate, dlogit, dhidden, dmean);
    }
    for (Int c = 0; c < channels; c++) { /* images that a group lacks hold zeros */
        Int k = c * LANES;
        vf a = load_f32(t->first + k), b = load_f32(t->second + k);
        if (gate) {
            vf g = load_f32(gate + k), d = load_f32(dmean + k);
            a = g * a + d * load_f32(number + k), b = g * b + d * load_f32(z_sum + k);
        }
        sums->first[c] += (double)total(a), sums->second[c] += (double)total(b);
    }
}
/* The first pass backward, over everything: gradients of the norm's weight and bias, of gates, constants of the second. */
static void tail_reduce(Tailed *t, const Value *z, const Value *dy, float *dweight, float *dbias) {
    Int channels = t->channels, groups = up(t->images, LANES) / LANES, places = t->pool.width * channels;
    if (t->norm->weight == NULL) {
        if (dbias) add_up(dy, t->images * t->left / channels, channels, dbias);
        return;
    }
    Sums sums = sums_open(channels);
    tail_constants(t);
    if (t->asked.latent) {
        t->dlogit = TAKE(float, groups * LANES * channels), t->dmean = TAKE(float, groups * LANES * channels);
        t->dhidden = TAKE(float, groups * LANES * t->asked.latent);
    }
    if (t->asked.latent || t->asked.pool == 2) {
        t->first = TAKE(float, LANES * channels), t->second = TAKE(float, LANES * channels);
        if (t->asked.pool == 2) t->scattered = TAKE(Value, t->images * t->count);
        for (Int i = 0; i < t->images; i++) {
            Int k = i % LANES, in_group = smaller(LANES, t->images - i + k);
            if (k == 0 && in_group < LANES) {
                memset(t->first, 0, sizeof(float) * (size_t)(LANES * channels));
                memset(t->second, 0, sizeof(float) * (size_t)(LANES * channels));
            }
            const Value *d = dy + i * t->left;
            if (t->asked.pool == 2) tail_blur_sums(t, z + i * t->count, d, t->scattered + i * t->count, t->first + k, t->second + k);
            else tail_sums(t, (t->asked.pool ? t->asked.pooled : z) + i * t->left, d, t->left, t->first + k, t->second + k);
            if (k == in_group - 1) tail_group(t, i - k, &sums);
        }
    } else reduce(&sums, &t->affine, t->asked.pool ? t->asked.pooled : z, dy, t->images * t->left);
    if (t->asked.latent) {
        gate_weights(t->dhidden, t->asked.latent, t->asked.mean, channels, groups, t->asked.dsqueeze);
        gate_weights(t->dlogit, channels, t->asked.hidden, t->asked.latent, groups, t->asked.dexcite);
    }
    for (Int i = 0; t->gain && i < t->places; i++) t->gain[i] = 1.0f, t->lift[i] = 0.0f;
    float *slope = TAKE(float, channels), *offset = TAKE(float, channels);
    finish_backward(&sums, &t->affine, t->norm, t->images * (t->count / channels), dweight, dbias, slope, offset);
    t->slope = by_place(slope, channels, places), t->offset = by_place(offset, channels, places);
}
/* dz, from the gradient after gate and ReLU but for what comes through the mean. */
INLINE vf tail_dz(vf z, vf d, vf mean, vf scale, vf bias, vf slope, vf offset, vf gain, vf lift) {
    return scale * opened(d * gain + lift, z, mean, scale, bias) + ((z - mean) * slope + offset);
}
INLINE void gated_back_chunk(const Tailed *t, const Value *z, const Value *dy, Value *dz, Int lane, Int from, Int to, const int vectors,
                             Int n) {
    Chunk h = chunk_of(t, lane, vectors, 1, 1);
    Int whole = t->whole;
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            store_some(dz + at, tail_dz(load_some(z + at, n), load_some(dy + at, n), h.mean[k], h.scale[k], h.bias[k], h.slope[k],
                                        h.offset[k], h.gain[k], h.lift[k]), n);
        }
}
static void tail_gated_back(const Tailed *t, const Value *z, const Value *dy, Value *dz) {
#define GATED_BACK(lane, from, to, vectors, n) gated_back_chunk(t, z, dy, dz, lane, from, to, vectors, n)
    WALK(t, t->count, GATED_BACK);
}
INLINE void tail_max_back_vectors(const Tailed *t, const Value *z, const Value *dy, Value *dz, const int gated) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c;
    for (Int j = 0; j < c; j += LANES) {
        vf sign = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
        vf slope = load_f32(t->slope + j), offset = load_f32(t->offset + j), gain = load_f32(t->gain + j), lift = load_f32(t->lift + j);
        vf four[4];
        for (Int r = 0; r < p->out_height; r++)
            for (Int k = 0; k < p->out_width; k++) {
                Int at = 2 * r * count + 2 * k * c + j;
                vf top = four_largest(z + at, z + at + count, c, sign, four), d = LOAD(dy + (r * p->out_width + k) * c + j);
                if (!gated) d = a * opened(d, top * sign, m, a, b);
                Four f = to_first(four[0], four[1], four[2], four[3], top, d);
                vf part[4] = {f.a, f.b, f.c, f.d};
                for (int q = 0; q < 4; q++) {
                    vf v = four[q] * sign;
                    STORE(dz + at + q / 2 * count + q % 2 * c,
                          gated ? tail_dz(v, part[q], m, a, b, slope, offset, gain, lift) : part[q] + ((v - m) * slope + offset));
                }
            }
        for (Int r = 0; r < p->height; r++) /* what an odd side leaves over */
            for (Int k = r < 2 * p->out_height ? 2 * p->out_width : 0; k < p->width; k++) {
                Int at = r * count + k * c + j;
                STORE(dz + at, tail_dz(LOAD(z + at), (vf){}, m, a, b, slope, offset, gain, lift));
            }
    }
}
static void tail_max_back(const Tailed *t, const Value *z, const Value *dy, Value *dz) {
    const Pool *p = &t->pool;
    if (t->channels % LANES == 0) {
        if (t->asked.latent) tail_max_back_vectors(t, z, dy, dz, 1);
        else tail_max_back_vectors(t, z, dy, dz, 0);
        return;
    }
    Int c = t->channels, count = p->width * c, out_count = p->out_width * c;
    float *top = p->row[0], *low = p->row[1], *g = p->row[2], *to[2] = {p->row[3], p->row[4]};
    for (Int r = 0; r < (p->height + 1) / 2; r++) {
        Int rows = smaller(2, p->height - 2 * r);
        const Value *from = z + 2 * r * count;
        if (rows == 2) {
            for (Int i = 0; i < count; i += LANES) {
                vf s = load_f32(t->sign + i);
                store_f32(top + i, s * load_some(from + i, count - i));
                store_f32(low + i, s * load_some(from + count + i, count - i));
            }
            rows_in(dy + r * out_count, g, out_count);
            max_scatter(p, top, low, g, to[0], to[1]);
            Int end = 2 * p->out_width * c; /* an odd column gets no gradient */
            memset(to[0] + end, 0, sizeof(float) * (size_t)(count - end));
            memset(to[1] + end, 0, sizeof(float) * (size_t)(count - end));
        } else memset(to[0], 0, sizeof(float) * (size_t)count);
        for (Int row = 0; row < rows; row++)
            for (Int i = 0; i < count; i += LANES) {
                Int n = count - i, at = (2 * r + row) * count + i;
                vf v = load_some(z + at, n), m = load_f32(t->mean + i), a = load_f32(t->scale + i), b = load_f32(t->bias + i);
                store_some(dz + at, tail_dz(v, load_f32(to[row] + i), m, a, b, load_f32(t->slope + i), load_f32(t->offset + i),
                                            load_f32(t->gain + i), load_f32(t->lift + i)), n);
            }
    }
}
/* dz of one image, the second pass. */
static void tail_backward_one(const Tailed *t, Int image, const Value *z, const Value *dy, Value *dz) {
    const Value *from = z + image * t->count, *d = dy + image * t->left;
    if (t->norm->weight == NULL) {
        if (t->asked.pool) (t->asked.pool == 2 ? max_blur_backward : max_backward)(&t->pool, from, d, dz);
        else memcpy(dz, d, sizeof(Value) * (size_t)t->count);
        return;
    }
    if (t->asked.latent) {
        Int k = image % LANES;
        repeat(t, of_group(t->asked.gate, image, t->channels) + k, t->gain);
        repeat(t, of_group(t->dmean, image, t->channels) + k, t->lift);
    }
    if (t->asked.pool == 1) {
        tail_max_back(t, from, d, dz);
        return;
    }
    if (t->asked.pool == 2) d = t->scattered + image * t->count;
    if (t->asked.latent) tail_gated_back(t, from, d, dz);
    else backward(&t->affine, t->pattern, from, d, dz, t->count);
}
static void tail_backward(const Tailed *t, Int image, Int images, const Value *z, const Value *dy, Value *dz) {
    Int at = image * t->count;
    if (t->norm->weight && !t->asked.pool && !t->asked.latent) backward(&t->affine, t->pattern, z + at, dy + at, dz, images * t->count);
    else
        for (Int k = 0; k < images; k++) tail_backward_one(t, image + k, z, dy, dz + k * t->count);
}
