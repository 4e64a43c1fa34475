/* SPDX-License-Identifier: 0BSD */
/* Prints what NAME answers for a test picture, and how many of all are answered as they must. */
#include <stdio.h>

#include "NAME_self_test.h"

void app_main(void);
void app_main(void) {
  static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];
  char line[UPPER_SELF_TEST_LINE];
  NAME_in(memory, NAME_test_picture(0), logits);
  printf("NAME: %s\n", NAME_class_name(NAME_argmax(logits)));
  NAME_self_test(memory, line);
  printf("%s\n", line);
}
