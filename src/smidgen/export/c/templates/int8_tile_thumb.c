
#if THUMB
/* Four pixels by one output, for cores that multiply 32 bits and nothing else: a word holds two pixels'
   terms, the second 16 bits up, and a multiplication is two products, of which two fit before they
   are taken apart; 43 instructions are 16 products. Terms lie in the order of the weights. */
typedef struct {
  int32_t turn; /* bytes of a pair of outputs' weights, negative */
  const uint32_t *unit, *unit_end;
  int8_t *out;
  int32_t beside, beyond; /* bytes from the first pixel's output to the second's, and to the third's */
  int32_t zero;
} tiled;

#define TWO_TERMS \
  "ldm r6!, {r1, r2, r3, r4}\n\tldrsb r0, [r7, r5]\n\tadds r5, #2\n\tmuls r1, r0\n\tmuls r2, r0\n\tldrsb r0, [r7, r5]\n\tmuls r3, r0\n\tmuls r4, r0\n\t" \
  "adds r1, r3\n\tadds r2, r4\n\tsxth r3, r1\n\tadd r8, r3\n\tsubs r1, r3\n\tasrs r1, #16\n\tadd r9, r1\n\t" \
  "sxth r3, r2\n\tadd r10, r3\n\tsubs r2, r3\n\tasrs r2, #16\n\tadd r11, r2\n\tadds r5, #2\n\t"
/* The weights at 0 and what to add to that for the next output, of each pair now 1; windows at 8, what was given from 12. */
__attribute__((naked, noinline)) static void tile(__attribute__((unused)) const int32_t *windows, __attribute__((unused)) const int8_t *weight, __attribute__((unused)) const tiled *own) {
  __asm__ volatile(
    ".syntax unified\n\tpush {r4-r7, lr}\n\tmov r3, r8\n\tmov r4, r9\n\tmov r5, r10\n\tmov r6, r11\n\tpush {r3-r6}\n\tsub sp, #40\n\t"
    "ldr r4, [r2, #0]\n\tsubs r1, r4\n\tmovs r3, #1\n\tstr r1, [sp, #0]\n\tstr r3, [sp, #4]\n\tstr r0, [sp, #8]\n\tadd r0, sp, #12\n\t"
    "ldm r2!, {r1, r3-r6}\n\tstm r0!, {r1, r3-r6}\n\tldm r2!, {r1, r3}\n\tstm r0!, {r1, r3}\n\tmovs r0, #1\n\tlsls r0, #14\n\tmov r12, r0\n"
    "1:\n\tldr r0, [sp, #16]\n\tldr r0, [r0]\n\tmov r8, r0\n\tmov r9, r0\n\tmov r10, r0\n\tmov r11, r0\n\tldr r7, [sp, #0]\n\tldr r6, [sp, #8]\n\tldr r5, [sp, #12]\n"
    "2:\n\t" TWO_TERMS TWO_TERMS "bne 2b\n\t"
    "ldr r0, [sp, #4]\n\tldr r1, [sp, #12]\n\tadds r7, r0\n\tstr r7, [sp, #0]\n\tadds r0, r1\n\trsbs r0, r0, #0\n\tstr r0, [sp, #4]\n\t"
    "ldr r3, [sp, #16]\n\tldr r0, [r3, #4]\n\tadds r3, #8\n\tstr r3, [sp, #16]\n\tlsrs r0, #1\n\tuxth r4, r0\n\tlsrs r5, r0, #16\n\tmovs r6, #31\n\tands r6, r0\n\tldr r7, [sp, #36]\n\tldr r3, [sp, #24]\n\t"
    "mov r0, r8\n\t" NARROW("3") "strb r0, [r3]\n\tmov r0, r9\n\t" NARROW("4") "ldr r2, [sp, #28]\n\tstrb r0, [r3, r2]\n\t"
    "ldr r2, [sp, #32]\n\tadds r3, r2\n\tmov r0, r10\n\t" NARROW("5") "strb r0, [r3]\n\tmov r0, r11\n\t" NARROW("6") "ldr r2, [sp, #28]\n\tstrb r0, [r3, r2]\n\t"
    "ldr r0, [sp, #24]\n\tadds r0, #1\n\tstr r0, [sp, #24]\n\tldr r0, [sp, #16]\n\tldr r1, [sp, #20]\n\tcmp r0, r1\n\tbeq 9f\n\tb 1b\n"
    "9:\n\tadd sp, #40\n\tpop {r3-r6}\n\tmov r8, r3\n\tmov r9, r4\n\tmov r10, r5\n\tmov r11, r6\n\tpop {r4-r7, pc}\n");
}

/* The windows of four pixels, the first at p, the others step bytes from it, far bytes from it, and both. */
static int32_t *widen(const int8_t *p, int step, int far, int32_t *to, const int8_t *end) {
  int32_t *after = to;
  for (int side = 0; side < 2; side++, to++, p += far, end += far) {
    const int8_t *l = p, *r = p + step;
    for (after = to; l < end; l += 4, r += 4, after += 8) {
      after[0] = l[0] + r[0] * 0x10000, after[2] = l[2] + r[2] * 0x10000;
      after[4] = l[1] + r[1] * 0x10000, after[6] = l[3] + r[3] * 0x10000;
    }
  }
  return after - 1;
}
#endif
