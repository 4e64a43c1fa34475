/* The end of a net: global average, classifier, softmax and cross entropy with target probabilities, all in float32. */

/* Mean of each channel over the pixels of an image. */
static void average(const Value *x, Int pixels, Int channels, float *y) {
    float share = 1.0f / (float)pixels;
    for (Int j = 0; j < channels; j += LANES) {
        int n = (int)smaller(LANES, channels - j);
        vf sum = {};
        if (n == LANES)
            for (Int p = 0; p < pixels; p++) sum += LOAD(x + p * channels + j);
        else
            for (Int p = 0; p < pixels; p++) sum += LOAD_N(x + p * channels + j, n);
        if (n == LANES) store_f32(y + j, sum * share);
        else store_f32_n(y + j, sum * share, n);
    }
}
static void average_back(const float *dy, Int pixels, Int channels, Value *dx) {
    float share = 1.0f / (float)pixels;
    for (Int j = 0; j < channels; j += LANES) {
        int n = (int)smaller(LANES, channels - j);
        vf part = (n == LANES ? load_f32(dy + j) : load_f32_n(dy + j, n)) * share;
        for (Int p = 0; p < pixels; p++) {
            if (n == LANES) STORE(dx + p * channels + j, part);
            else STORE_N(dx + p * channels + j, part, n);
        }
    }
}

/* [a][b] -> [b][columns], zeros to the right. */
static const float *transposed(const float *in, Int a, Int b, Int columns) {
    float *out = TAKE_ZERO(float, b * columns);
    for (Int i = 0; i < a; i++)
        for (Int j = 0; j < b; j++) out[j * columns + i] = in[i * b + j];
    return out;
}
/* out = sum of count numbers, each times a row of `columns` values. */
INLINE void mix(const float *numbers, Int count, const float *rows, Int columns, Int step, float *out) {
    for (Int j = 0; j < columns; j += LANES) {
        int n = (int)smaller(LANES, columns - j);
        vf sum = {};
        for (Int i = 0; i < count; i++) sum += numbers[i] * (n == LANES ? load_f32(rows + i * step + j) : load_f32_n(rows + i * step + j, n));
        if (n == LANES) store_f32(out + j, sum);
        else store_f32_n(out + j, sum, n);
    }
}
/* Returns the cross entropy of one image; turns the logits into its gradient by them. */
static double cross_entropy(float *logits, const float *targets, Int classes) {
    float largest = logits[0];
    for (Int k = 1; k < classes; k++) largest = logits[k] > largest || logits[k] != logits[k] ? logits[k] : largest;
    double sum = 0, mass = 0, loss = 0;
    for (Int k = 0; k < classes; k++) {
        float shifted = logits[k] - largest;
        loss -= (double)targets[k] * (double)shifted;
        mass += (double)targets[k];
        logits[k] = expf(shifted);
        sum += (double)logits[k];
    }
    for (Int k = 0; k < classes; k++) logits[k] = (float)(mass * (double)logits[k] / sum) - targets[k];
    return loss + mass * log(sum);
}
