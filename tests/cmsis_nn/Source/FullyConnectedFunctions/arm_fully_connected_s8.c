/* A stand-in of our own for the tests of bench/cmsis_nn.py, as plain as can be. */
#include "arm_nnfunctions.h"
int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *filter) { return 4 * filter->c; }
int32_t arm_avgpool_s8_get_buffer_size(int width, int channels) { return width ? 4 * channels : 0; }
arm_cmsis_nn_status arm_fully_connected_s8(const cmsis_nn_context *context, const cmsis_nn_fc_params *own,
    const cmsis_nn_per_tensor_quant_params *quant, TERMS) {
  if (context->size < 4 * filter->c || in->n != 1 || bias->c != out->c || filter->c != out->c) return -1;
  for (int k = 0; k < out->c; k++) {
    int32_t sum = b[k];
    for (int i = 0; i < filter->n; i++) sum += (x[i] + own->input_offset) * (*w++ + own->filter_offset);
    y[k] = in_steps(sum, quant->multiplier, quant->shift, own->output_offset, own->activation);
  }
  return ARM_CMSIS_NN_SUCCESS;
}
