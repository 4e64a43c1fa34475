// As much of Arduino's core as the sketches call; it prints through the C library.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HIGH 1
#define LOW 0
#define OUTPUT 1
#ifndef WITHOUT_LIGHT
#define LED_BUILTIN 13
#endif

struct Port {
  void begin(unsigned long);
  void print(const char *text) { printf("%s", text); }
  void println(const char *text) { printf("%s\n", text); }
  int available(); // this and what follows is in uart.cpp alone
  int read();
  size_t write(const uint8_t *bytes, size_t count);
};
extern Port Serial;
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
void delay(unsigned long milliseconds);
unsigned long millis();
unsigned long micros();
void yield();
void setup();
void loop();
