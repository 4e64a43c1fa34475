// Runs a sketch for ever on QEMU's mps2-an386: its serial line is the board's first UART, its clock
// a timer of 25 MHz that counts down.
#include "Arduino.h"

static volatile uint32_t *const uart = (uint32_t *)0x40004000; // data, state, control, -, divider
static volatile uint32_t *const timer = (uint32_t *)0x40000000; // control, value, reload
Port Serial;

void Port::begin(unsigned long) {
  uart[4] = 16;
  uart[2] = 3; // both directions
  timer[2] = timer[1] = 0xFFFFFFFF;
  timer[0] = 1;
}

int Port::available() { return uart[1] >> 1 & 1; }
int Port::read() { return (int)uart[0]; }
size_t Port::write(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    while (uart[1] & 1) {
    }
    uart[0] = bytes[i];
  }
  return count;
}

unsigned long micros() { return (0xFFFFFFFF - timer[1]) / 25; }
unsigned long millis() { return micros() / 1000; }
void yield() {}

int main() {
  setup();
  for (;;) loop();
}
