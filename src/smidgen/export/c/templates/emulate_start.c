/* Start-up of a Cortex-M under QEMU with newlib's semihosting. */
#include <stdint.h>

extern uint32_t _estack[], _sidata[], _sdata[], _edata[], _sbss[], _ebss[];
extern int main(void);
extern void initialise_monitor_handles(void);
extern void exit(int);

void start(void);
void start(void) {
#if defined(__ARM_FP)
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating point unit is off at reset */
  __asm__ volatile("dsb\n\tisb");
#endif
  for (uint32_t *from = _sidata, *to = _sdata; to < _edata;) *to++ = *from++;
  for (uint32_t *to = _sbss; to < _ebss;) *to++ = 0;
  initialise_monitor_handles();
  exit(main());
}

static void stop(void) {
  for (;;) {
  }
}

void _init(void);
void _init(void) {}
void _fini(void);
void _fini(void) {}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))_estack, start, stop, stop, stop, stop, stop};
