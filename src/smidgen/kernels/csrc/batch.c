/* Augmentation: what batch methods do to the pixels of a batch, from one tensor into another, in one pass.
 *
 * Compiled without contraction (-ffp-contract=off), so that every instruction set rounds alike and as torch does.
 */
#include "vector.h"

/* Images as they lie in memory: channels last has one plane of pixels of all channels, else every channel is a plane. */
typedef struct {
    Int images, planes, height, width, step; /* step: values of a pixel */
} Layout;

/* Bytes of chosen rows, each times its factor plus its summand. */
void EXPORT(batch_gather)(const uint8_t *pixels, const Int *rows, const float *scale, const float *shift, Value *out,
                          Int count, Int size) {
    enum { LINE = 64, AHEAD = 2 }; /* rows lie far apart: fetch them before they are needed */
    smidgen_memory_open();
    float *values = TAKE(float, size);
    for (Int i = 0; i < count; i++, out += size) {
        const uint8_t *row = pixels + rows[i] * size;
        if (i + AHEAD < count)
            for (Int j = 0; j < size; j += LINE) __builtin_prefetch(pixels + rows[i + AHEAD] * size + j);
        for (Int j = 0; j < size; j++) values[j] = (float)row[j] * scale[j] + shift[j];
        Int j = 0;
        for (; j + LANES <= size; j += LANES) STORE(out + j, load_f32(values + j));
        if (j < size) STORE_N(out + j, load_f32(values + j), (int)(size - j));
    }
}

/* y[i, j] = x[i + down, j + across], zero outside. */
void EXPORT(batch_crop)(const Layout *l, const Value *x, Value *y, const Int *down, const Int *across) {
    Int size = l->height * l->width * l->step, row = l->width * l->step;
    for (Int i = 0; i < l->images; i++) {
        Int a = smaller(l->height, down[i] < -l->height ? -l->height : down[i]);
        Int b = smaller(l->width, across[i] < -l->width ? -l->width : across[i]) * l->step;
        Int first = a < 0 ? -a : 0, last = a < 0 ? l->height : l->height - a;
        Int left = b < 0 ? -b : 0, kept = b < 0 ? row + b : row - b;
        for (Int plane = 0; plane < l->planes; plane++, x += size, y += size) {
            memset(y, 0, sizeof(Value) * (size_t)(first * row));
            for (Int r = first; r < last; r++) {
                Value *to = y + r * row;
                memset(to, 0, sizeof(Value) * (size_t)left);
                memcpy(to + left, x + (r + a) * row + left + b, sizeof(Value) * (size_t)kept);
                memset(to + left + kept, 0, sizeof(Value) * (size_t)(row - left - kept));
            }
            memset(y + last * row, 0, sizeof(Value) * (size_t)(size - last * row));
        }
    }
}

INLINE void mirror_rows(const Value *x, Value *y, Int rows, Int width, Int step) {
    for (Int r = 0; r < rows; r++, x += width * step, y += width * step)
        for (Int j = 0; j < width; j++)
            for (Int c = 0; c < step; c++) y[j * step + c] = x[(width - 1 - j) * step + c];
}
/* Left and right exchanged where chosen. */
void EXPORT(batch_flip)(const Layout *l, const Value *x, Value *y, const uint8_t *chosen) {
    Int rows = l->planes * l->height, size = rows * l->width * l->step;
    for (Int i = 0; i < l->images; i++, x += size, y += size)
        if (!chosen[i]) memcpy(y, x, sizeof(Value) * (size_t)size);
        else if (l->step == 1) mirror_rows(x, y, rows, l->width, 1);
        else if (l->step == 3) mirror_rows(x, y, rows, l->width, 3);
        else mirror_rows(x, y, rows, l->width, l->step);
}

/* Zero where top <= i < top + length and left <= j < left + length. */
void EXPORT(batch_cut)(const Layout *l, const Value *x, Value *y, const Int *top, const Int *left, Int length) {
    Int size = l->height * l->width * l->step;
    for (Int i = 0; i < l->images; i++) {
        Int first = top[i] < 0 ? 0 : top[i], last = smaller(l->height, top[i] + length);
        Int from = left[i] < 0 ? 0 : left[i], wide = smaller(l->width, left[i] + length) - from;
        for (Int plane = 0; plane < l->planes; plane++, x += size, y += size) {
            memcpy(y, x, sizeof(Value) * (size_t)size);
            if (wide > 0)
                for (Int r = first; r < last; r++)
                    memset(y + (r * l->width + from) * l->step, 0, sizeof(Value) * (size_t)(wide * l->step));
        }
    }
}

/* (1 - weight) x + weight x[partner], as torch.lerp has it. */
void EXPORT(batch_blend)(const Value *x, Value *y, const Int *partner, float weight, Int count, Int size) {
    for (Int i = 0; i < count; i++) {
        const Value *one = x + i * size, *other = x + partner[i] * size;
        Value *to = y + i * size;
        Int j = 0;
        for (; j + LANES <= size; j += LANES) {
            vf a = LOAD(one + j);
            STORE(to + j, a + weight * (LOAD(other + j) - a));
        }
        if (j < size) {
            int n = (int)(size - j);
            vf a = LOAD_N(one + j, n);
            STORE_N(to + j, a + weight * (LOAD_N(other + j, n) - a), n);
        }
    }
}

/* Where each point of the new image comes from, [A^-1, -A^-1 t], of an affine map whose rotation, change of size, shear
 * and shifts are (2 draw - 1) reach. */
void EXPORT(batch_matrices)(const float *draws, const float *reach, float *matrices, Int count) {
    for (Int i = 0; i < count; i++, matrices += 6) {
        double of[5];
        for (int k = 0; k < 5; k++) of[k] = (double)((2.0f * draws[k * count + i] - 1.0f) * reach[k]);
        double size = 1.0 + of[1], right = of[3], below = of[4];
        double cosine = cos(of[0]) / size, sine = sin(of[0]) / size, slant = tan(of[2]);
        double a = cosine + slant * sine, b = sine - slant * cosine, c = -sine, d = cosine;
        matrices[0] = (float)a, matrices[1] = (float)b, matrices[2] = (float)(-a * right - b * below);
        matrices[3] = (float)c, matrices[4] = (float)d, matrices[5] = (float)(-c * right - d * below);
    }
}

/* What four pixels give to one between them: left above, left below, right above, right below. */
typedef struct {
    float of[4];
} Corners;

/* One channel in float32 with a border of zeros, each value together with the one below it. The border is one row and
 * column before and two behind, so that a place clamped to it may still read the pixels to its right and below. */
enum { BEFORE = 1, BORDER = 3 };
INLINE float value_of(Value value) {
#if BFLOAT16
    uint32_t bits = (uint32_t)value << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
#else
    return value;
#endif
}
INLINE void pad_with(const Value *restrict x, float *restrict padded, Int height, Int width, Int step) {
    Int wide = width + BORDER;
    float *restrict to = padded + 2 * BEFORE;
    for (Int j = 0; j < width; j++) to[2 * j + 1] = value_of(x[j * step]);
    for (Int i = 1; i < height; i++, x += width * step) {
        const Value *restrict next = x + width * step;
        to += 2 * wide;
        for (Int j = 0; j < width; j++) {
            to[2 * j] = value_of(x[j * step]);
            to[2 * j + 1] = value_of(next[j * step]);
        }
    }
    to += 2 * wide;
    for (Int j = 0; j < width; j++) to[2 * j] = value_of(x[j * step]);
}
static void pad(const Value *x, float *padded, Int height, Int width, Int step) {
    if (step == 1) pad_with(x, padded, height, width, 1);
    else if (step == 3) pad_with(x, padded, height, width, 3);
    else pad_with(x, padded, height, width, step);
}

/* Where the pixels of a new image come from in the padded old one, and how far beyond the pixel there. */
typedef struct {
    Int pixels;
    float *across, *down; /* of the new pixels, from the centre */
    int32_t *place;
    float *right, *below;
} Places;
static Places places_of(const Layout *l) {
    Int n = l->height * l->width, room = up(n, LANES);
    Places p = {n, TAKE(float, room), TAKE(float, room), TAKE(int32_t, room), TAKE(float, room), TAKE(float, room)};
    for (Int i = 0; i < l->height; i++)
        for (Int j = 0; j < l->width; j++) {
            p.across[i * l->width + j] = (float)j - (float)(l->width - 1) / 2;
            p.down[i * l->width + j] = (float)i - (float)(l->height - 1) / 2;
        }
    return p;
}
static void find(const Layout *l, const Places *p, const float *matrix) {
    float most_x = (float)(l->width + 1), most_y = (float)(l->height + 1);
    float to_x = matrix[2] + ((float)(l->width - 1) / 2 + BEFORE), to_y = matrix[5] + ((float)(l->height - 1) / 2 + BEFORE);
    int32_t wide = (int32_t)(l->width + BORDER);
    for (Int i = 0; i < p->pixels; i++) {
        float x = matrix[0] * p->across[i] + (matrix[1] * p->down[i] + to_x);
        float y = matrix[3] * p->across[i] + (matrix[4] * p->down[i] + to_y);
        x = x > 0 ? x : 0, y = y > 0 ? y : 0; /* a NaN is not above zero */
        x = x < most_x ? x : most_x, y = y < most_y ? y : most_y;
        int32_t column = (int32_t)x, row = (int32_t)y;
        p->right[i] = x - (float)column, p->below[i] = y - (float)row;
        p->place[i] = row * wide + column;
    }
}
enum { BLOCK = 256 }; /* pixels whose corners are in the cache together */
static void blend_corners(const Places *p, const float *padded, float *values) {
    Corners corners[BLOCK];
    for (Int from = 0; from < p->pixels; from += BLOCK) {
        Int n = smaller(BLOCK, p->pixels - from);
        const float *right = p->right + from, *below = p->below + from;
        for (Int i = 0; i < n; i++) memcpy(corners + i, padded + 2 * p->place[from + i], sizeof(Corners));
        for (Int i = 0; i < n; i++) {
            const float *c = corners[i].of;
            float upper = c[0] + right[i] * (c[2] - c[0]), lower = c[1] + right[i] * (c[3] - c[1]);
            values[from + i] = upper + below[i] * (lower - upper);
        }
    }
}

/* Planes of count values to pixels of step values. */
INLINE void interleave_by(const Value *restrict planes, Value *restrict y, Int count, Int room, Int step) {
    for (Int j = 0; j < count; j++)
        for (Int c = 0; c < step; c++) y[j * step + c] = planes[c * room + j];
}
static void interleave(const Value *planes, Value *y, Int count, Int room, Int step) {
    if (step == 3) interleave_by(planes, y, count, room, 3);
    else interleave_by(planes, y, count, room, step);
}

/* The pixel at u of the new image is the old one at matrix (u, 1), bilinear, zero outside. */
void EXPORT(batch_warp)(const Layout *l, const Value *x, Value *y, const float *matrices) {
    smidgen_memory_open();
    Places p = places_of(l);
    Int room = up(p.pixels, LANES), size = p.pixels * l->step;
    float *padded = TAKE_ZERO(float, 2 * (l->width + BORDER) * (l->height + BORDER));
    float *values = TAKE(float, room);
    Value *planes = TAKE(Value, room * l->step);
    for (Int i = 0; i < l->images; i++, matrices += 6) {
        find(l, &p, matrices);
        for (Int k = 0; k < l->planes; k++, x += size, y += size) {
            for (Int c = 0; c < l->step; c++) {
                pad(x + c, padded, l->height, l->width, l->step);
                blend_corners(&p, padded, values);
                Value *to = l->step == 1 ? y : planes + c * room;
                for (Int j = 0; j < p.pixels; j += LANES)
                    if (j + LANES <= p.pixels) STORE(to + j, load_f32(values + j));
                    else STORE_N(to + j, load_f32(values + j), (int)(p.pixels - j));
            }
            if (l->step > 1) interleave(planes, y, p.pixels, room, l->step);
        }
    }
}
