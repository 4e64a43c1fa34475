// Runs a sketch's loop once, and tells how often its light went on.
#include "Arduino.h"

Port Serial;
static int blinks;
void pinMode(uint8_t, uint8_t) {}
void digitalWrite(uint8_t, uint8_t value) { blinks += value; }
void delay(unsigned long) {}

int main() {
  setup();
  loop();
  printf("blinks %d\n", blinks);
  return 0;
}
