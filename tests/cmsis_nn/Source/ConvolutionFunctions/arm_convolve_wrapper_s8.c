/* A stand-in of our own for the tests of bench/cmsis_nn.py, as plain as can be. */
#include "arm_nnfunctions.h"
int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *own, SIZES) {
  (void)own, (void)out;
  return 2 * in->c * filter->h * filter->w;
}
arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *context, const cmsis_nn_conv_params *own,
    const cmsis_nn_per_channel_quant_params *quant, TERMS) {
  const int alone = 0;
  if (context->size < 2 * in->c * filter->h * filter->w || bias->c != out->c || in->n != 1) return -1;
  if (alone ? filter->n != 1 || filter->c != out->c : filter->n != out->c || filter->c != in->c) return -1;
  if (own->dilation.w != 1 || own->dilation.h != 1) return -1;
  for (int i = 0; i < out->h; i++) for (int j = 0; j < out->w; j++) for (int k = 0; k < out->c; k++) {
    int32_t sum = b[k];
    for (int r = 0; r < filter->h; r++) for (int s = 0; s < filter->w; s++) {
      const int row = i * own->stride.h - own->padding.h + r, column = j * own->stride.w - own->padding.w + s;
      if (row < 0 || column < 0 || row >= in->h || column >= in->w) continue;
      const int8_t *p = x + (row * in->w + column) * in->c;
      const int8_t *q = w + (alone ? (r * filter->w + s) * out->c + k : ((k * filter->h + r) * filter->w + s) * in->c);
      if (alone) sum += (p[k] + own->input_offset) * *q;
      else for (int c = 0; c < in->c; c++) sum += (p[c] + own->input_offset) * q[c];
    }
    *y++ = in_steps(sum, quant->multiplier[k], quant->shift[k], own->output_offset, own->activation);
  }
  return ARM_CMSIS_NN_SUCCESS;
}
