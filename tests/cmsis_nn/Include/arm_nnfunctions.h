/* A stand-in of our own for the tests of bench/cmsis_nn.py, as plain as can be. */
#ifndef ARM_NNFUNCTIONS_H
#define ARM_NNFUNCTIONS_H
#include <stdint.h>
typedef enum { ARM_CMSIS_NN_SUCCESS = 0, ARM_CMSIS_NN_ARG_ERROR = -1 } arm_cmsis_nn_status;
typedef struct { int32_t w, h; } cmsis_nn_tile;
typedef struct { void *buf; int32_t size; } cmsis_nn_context;
typedef struct { int32_t n, h, w, c; } cmsis_nn_dims;
typedef struct { int32_t *multiplier, *shift; } cmsis_nn_per_channel_quant_params;
typedef struct { int32_t multiplier, shift; } cmsis_nn_per_tensor_quant_params;
typedef struct { int32_t min, max; } cmsis_nn_activation;
typedef struct {
  int32_t input_offset, output_offset;
  cmsis_nn_tile stride, padding, dilation;
  cmsis_nn_activation activation;
} cmsis_nn_conv_params;
typedef struct {
  int32_t input_offset, output_offset, ch_mult;
  cmsis_nn_tile stride, padding, dilation;
  cmsis_nn_activation activation;
} cmsis_nn_dw_conv_params;
typedef struct { cmsis_nn_tile stride, padding; cmsis_nn_activation activation; } cmsis_nn_pool_params;
typedef struct {
  int32_t input_offset, filter_offset, output_offset;
  cmsis_nn_activation activation;
} cmsis_nn_fc_params;
#define TERMS const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *filter, const int8_t *w, \
  const cmsis_nn_dims *bias, const int32_t *b, const cmsis_nn_dims *out, int8_t *y
#define WINDOWS const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *filter, \
  const cmsis_nn_dims *out, int8_t *y
#define SIZES const cmsis_nn_dims *in, const cmsis_nn_dims *filter, const cmsis_nn_dims *out
arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *, const cmsis_nn_conv_params *,
  const cmsis_nn_per_channel_quant_params *, TERMS);
arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context *, const cmsis_nn_dw_conv_params *,
  const cmsis_nn_per_channel_quant_params *, TERMS);
arm_cmsis_nn_status arm_fully_connected_s8(const cmsis_nn_context *, const cmsis_nn_fc_params *,
  const cmsis_nn_per_tensor_quant_params *, TERMS);
arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context *, const cmsis_nn_pool_params *, WINDOWS);
arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context *, const cmsis_nn_pool_params *, WINDOWS);
int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *, SIZES);
int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *, SIZES);
int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *);
int32_t arm_avgpool_s8_get_buffer_size(int, int);
int8_t in_steps(int32_t, int32_t, int32_t, int32_t, cmsis_nn_activation);
#endif
