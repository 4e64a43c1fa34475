/* A stand-in of our own for the tests of bench/cmsis_nn.py, as plain as can be. */
#include "arm_nnfunctions.h"
arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context *context, const cmsis_nn_pool_params *own, WINDOWS) {
  (void)context;
  if (own->padding.w || own->padding.h || in->c != out->c) return -1;
  for (int i = 0; i < out->h; i++) for (int j = 0; j < out->w; j++) for (int k = 0; k < out->c; k++) {
    int32_t sum = 0, best = -128;
    const int count = filter->h * filter->w;
    for (int r = 0; r < filter->h; r++) for (int s = 0; s < filter->w; s++) {
      const int v = x[((i * own->stride.h + r) * in->w + j * own->stride.w + s) * in->c + k];
      sum += v, best = v > best ? v : best;
    }
    *y++ = (int8_t)(1 ? (sum > 0 ? sum + count / 2 : sum - count / 2) / count : best);
  }
  return ARM_CMSIS_NN_SUCCESS;
}
