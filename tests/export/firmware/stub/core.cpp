// Runs a sketch's loop once, or LOOPS times, and tells how often its light went on.
#include "Arduino.h"

#ifndef LOOPS
#define LOOPS 1
#endif

Port Serial;
void Port::begin(unsigned long) {}
static int blinks;
void pinMode(uint8_t, uint8_t) {}
void digitalWrite(uint8_t, uint8_t value) { blinks += value; }
void delay(unsigned long) {}
unsigned long micros() {
  static unsigned long now;
  return now += 1000;
}

int main() {
  setup();
  for (int i = 0; i < LOOPS; i++) loop();
  printf("blinks %d\n", blinks);
  return 0;
}
