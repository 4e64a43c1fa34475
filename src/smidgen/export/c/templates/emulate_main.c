/* Reads pixels.bin, calls the net on every picture, writes logits.bin; on a board also reports
   instructions and stack. */
#include "NAME.h"

#include <stdint.h>
#include <stdio.h>

#if defined(__arm__)
#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define START (SYSTICK[1] = 0xFFFFFF, SYSTICK[2] = 0, SYSTICK[0] = 5, before = SYSTICK[2])
#define COUNTED ((before - SYSTICK[2]) & 0xFFFFFF)
#define STACK(p) __asm__ volatile("mov %0, sp" : "=r"(p))
#elif defined(__riscv)
static uint32_t retired(void) {
  uint32_t count; /* csrr of minstret, spelt out for assemblers that ask for Zicsr */
  __asm__ volatile(".insn i 0x73, 2, %0, x0, -1278" : "=r"(count));
  return count;
}
#define START (before = retired())
#define COUNTED (retired() - before)
#define STACK(p) __asm__ volatile("mv %0, sp" : "=r"(p))
#endif
#if defined(START)
enum { PAINTED = 16384 };
#endif

/* A net has no capitals in its name, and may be called as what follows. */
static void (*const Net)(const uint8_t *, TYPE *) = NAME;

int main(void) {
  static uint8_t pixels[UPPER_PIXELS];
  static TYPE logits[UPPER_CLASSES];
  FILE *in = fopen("pixels.bin", "rb"), *out = fopen("logits.bin", "wb");
  unsigned long pictures = 0, ticks = 0, stack = 0;
  if (!in || !out) return 2;
  while (fread(pixels, 1, sizeof pixels, in) == sizeof pixels) {
#if defined(START)
    uint8_t *here;
    uint32_t before;
    STACK(here);
    for (uint8_t *p = here - 64 - PAINTED; p < here - 64; p++) *(volatile uint8_t *)p = 0xA5;
    START;
    Net(pixels, logits);
    ticks += COUNTED;
    const volatile uint8_t *low = here - 64 - PAINTED;
    if (*low != 0xA5) {
      printf("a stack deeper than %d bytes is not measured\n", (int)PAINTED);
      return 4;
    }
    while (*low == 0xA5) low++;
    if ((unsigned long)(here - low) > stack) stack = (unsigned long)(here - low);
#else
    Net(pixels, logits);
#endif
    pictures++;
    if (fwrite(logits, sizeof logits[0], UPPER_CLASSES, out) != UPPER_CLASSES) return 3;
  }
  fclose(out);
  printf("pictures %lu ticks %lu stack %lu\n", pictures, ticks, stack);
  return 0;
}
