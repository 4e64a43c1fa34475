/* A stand-in of our own for the tests of bench/cmsis_nn.py, as plain as can be. */
#include "arm_nnfunctions.h"
int8_t in_steps(int32_t sum, int32_t by, int32_t shift, int32_t zero, cmsis_nn_activation to) {
  int32_t x = (int32_t)(((int64_t)sum * by + (1 << 30)) >> 31), right = -shift;
  const int64_t half = right ? 1ll << (right - 1) : 0;
  x = (int32_t)((x < 0 ? -((-(int64_t)x + half) >> right) : ((int64_t)x + half) >> right) + zero);
  return (int8_t)(x < to.min ? to.min : x > to.max ? to.max : x);
}
