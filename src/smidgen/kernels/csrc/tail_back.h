/* The passes backward of tail.h: one over everything for the sums that norm and gates need, then one image by image. */

/* Of an image: sums of dy where the ReLU is open, and of dy times z - mean there. */
INLINE void sums_chunk(const Tailed *t, const Value *z, const Value *dy, Int lane, Int from, Int to, const int vectors, Int n) {
    Chunk h = chunk_of(t, lane, vectors, 0, 0);
    vf p[CHUNK], q[CHUNK], floor = splat(t->floor);
    Int whole = t->whole;
    for (int k = 0; k < vectors; k++) p[k] = q[k] = (vf){};
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            vf v = load_some(z + at, n), g = opened(load_some(dy + at, n), v, h.mean[k], h.scale[k], h.bias[k], floor);
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
    d = opened(d, v, m, load_f32(t->scale + i), load_f32(t->bias + i), splat(t->floor));
    add_lanes(t->gain + i, d);
    add_lanes(t->lift + i, choose(d == 0.0f, d, d * (v - m))); /* past the end of the row d is zero */
    return d;
}
/* Where a pixel's channels take a vector or more: a row of windows from left to right, what it shares with the next in registers
 * and, for the row below, in `under`, a vector a pixel. */
static void tail_blur_back_row(const Tailed *t, const Value *z, const float *g, Int from, float *under, Value *dx) {
    Int c = t->channels, j = whole_vector(from, c), count = t->pool.width * c, last = count - c;
    vf s = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
    vf first = {}, second = {}, own = from_lane(from - j), right = {}, low_right = {}, floor = splat(t->floor);
    const Value *low = z + count;
    vf here = s * LOAD(z + j), below = s * LOAD(low + j), column = larger(here, below);
    for (Int i = j; i < last; i += c, under += LANES) {
        vf next = s * LOAD(z + i + c), next_below = s * LOAD(low + i + c), next_column = larger(next, next_below);
        vf top = larger(column, next_column), v = s * top, d = opened(load_f32(g + i), v, m, a, b, floor);
        first += d, second += d * (v - m);
        Four f = to_first(here, next, below, top, d);
        STORE(dx + i, f.a + right + load_f32(under));
        store_f32(under, f.c + low_right);
        right = f.b, low_right = f.d, here = next, below = next_below, column = next_column;
    }
    STORE(dx + last + j, right + load_f32(under));
    store_f32(under, low_right);
    add_lanes(t->gain + j, own * first), add_lanes(t->lift + j, own * second);
}
static void tail_blur_sums(const Tailed *t, const Value *z, const Value *dy, Value *scattered, float *first, float *second) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c, wide = count - c, out_count = p->out_width * c;
    memset(t->gain, 0, sizeof(float) * (size_t)(wide + LANES));
    memset(t->lift, 0, sizeof(float) * (size_t)(wide + LANES));
    if (c >= LANES) {
        memset(p->under, 0, sizeof(float) * (size_t)(p->width * up(c, LANES)));
        for (Int r = 0; r < p->out_height; r++) rows_in(dy + r * out_count, p->map + r * out_count, out_count);
        for (Int r = 0; r + 1 < p->height; r++) {
            blur_back_row(p, r);
            for (Int v = 0; v < c; v += LANES)
                tail_blur_back_row(t, z + r * count, p->row[1], v, p->under + v * p->width, scattered + r * count);
        }
        for (Int v = 0; v < c; v += LANES)
            for (Int k = 0; k < p->width; k++)
                STORE(scattered + (p->height - 1) * count + k * c + whole_vector(v, c), load_f32(p->under + v * p->width + k * LANES));
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
INLINE vf tail_dz(vf z, vf d, vf mean, vf scale, vf bias, vf slope, vf offset, vf gain, vf lift, vf floor) {
    return scale * opened(d * gain + lift, z, mean, scale, bias, floor) + ((z - mean) * slope + offset);
}
INLINE void gated_back_chunk(const Tailed *t, const Value *z, const Value *dy, Value *dz, Int lane, Int from, Int to, const int vectors,
                             Int n) {
    Chunk h = chunk_of(t, lane, vectors, 1, 1);
    vf floor = splat(t->floor);
    Int whole = t->whole;
    for (Int i = from; i < to; i += whole)
        for (int k = 0; k < vectors; k++) {
            Int at = i + k * LANES;
            store_some(dz + at, tail_dz(load_some(z + at, n), load_some(dy + at, n), h.mean[k], h.scale[k], h.bias[k], h.slope[k],
                                        h.offset[k], h.gain[k], h.lift[k], floor), n);
        }
}
static void tail_gated_back(const Tailed *t, const Value *z, const Value *dy, Value *dz) {
#define GATED_BACK(lane, from, to, vectors, n) gated_back_chunk(t, z, dy, dz, lane, from, to, vectors, n)
    WALK(t, t->count, GATED_BACK);
}
INLINE void tail_max_back_vectors(const Tailed *t, const Value *z, const Value *dy, Value *dz, const int gated) {
    const Pool *p = &t->pool;
    Int c = t->channels, count = p->width * c;
    for (Int v = 0; v < c; v += LANES) {
        Int j = whole_vector(v, c);
        vf sign = load_f32(t->sign + j), m = load_f32(t->mean + j), a = load_f32(t->scale + j), b = load_f32(t->bias + j);
        vf slope = load_f32(t->slope + j), offset = load_f32(t->offset + j), gain = load_f32(t->gain + j), lift = load_f32(t->lift + j);
        vf four[4], floor = splat(t->floor);
        for (Int r = 0; r < p->out_height; r++)
            for (Int k = 0; k < p->out_width; k++) {
                Int at = 2 * r * count + 2 * k * c + j;
                vf top = four_largest(z + at, z + at + count, c, sign, four), d = LOAD(dy + (r * p->out_width + k) * c + j);
                if (!gated) d = a * opened(d, top * sign, m, a, b, floor);
                Four f = to_first(four[0], four[1], four[2], top, d);
                vf part[4] = {f.a, f.b, f.c, f.d};
                for (int q = 0; q < 4; q++) {
                    vf v = four[q] * sign;
                    STORE(dz + at + q / 2 * count + q % 2 * c,
                          gated ? tail_dz(v, part[q], m, a, b, slope, offset, gain, lift, floor) : part[q] + ((v - m) * slope + offset));
                }
            }
        for (Int r = 0; r < p->height; r++) /* what an odd side leaves over */
            for (Int k = r < 2 * p->out_height ? 2 * p->out_width : 0; k < p->width; k++) {
                Int at = r * count + k * c + j;
                STORE(dz + at, tail_dz(LOAD(z + at), (vf){}, m, a, b, slope, offset, gain, lift, floor));
            }
    }
}
static void tail_max_back(const Tailed *t, const Value *z, const Value *dy, Value *dz) {
    const Pool *p = &t->pool;
    if (t->channels >= LANES) {
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
                                            load_f32(t->gain + i), load_f32(t->lift + i), splat(t->floor)), n);
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
/* dz of some neighbouring values, where norm and ReLU are all there is: of rows of an image, or of images. */
static int tail_is_plain(const Tailed *t) { return t->norm->weight && !t->asked.pool && !t->asked.latent; }
static void tail_backward_some(const Tailed *t, Int at, Int count, const Value *z, const Value *dy, Value *dz) {
    backward(&t->affine, t->pattern, z + at, dy + at, dz, count);
}
static void tail_backward(const Tailed *t, Int image, Int images, const Value *z, const Value *dy, Value *dz) {
    if (tail_is_plain(t)) tail_backward_some(t, image * t->count, images * t->count, z, dy, dz);
    else
        for (Int k = 0; k < images; k++) tail_backward_one(t, image + k, z, dy, dz + k * t->count);
}
