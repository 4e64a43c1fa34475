/* SPDX-License-Identifier: 0BSD */
#include "NAME_self_test.h"

static const uint8_t NAME_pictures[UPPER_SELF_TEST_PICTURES][UPPER_PIXELS] = {
<PICTURES>
};

static const uint16_t NAME_answers[UPPER_SELF_TEST_PICTURES] = {<ANSWERS>};
<SUMS>
static char *NAME_written(char *at, const char *text) {
  while (*text) *at++ = *text++;
  return at;
}

static char *NAME_counted(char *at, int number) {
  if (number > 9) at = NAME_counted(at, number / 10);
  *at++ = (char)('0' + number % 10);
  return at;
}

const uint8_t *NAME_test_picture(int place) { return NAME_pictures[place]; }

int NAME_test_answer(int place) { return NAME_answers[place]; }

int NAME_self_test(void *memory, char *line) {
  int right = 0;
  for (int place = 0; place < UPPER_SELF_TEST_PICTURES; place++) {
    static <KIND> logits[UPPER_CLASSES];
    NAME_in(memory, NAME_pictures[place], logits);
    if (NAME_argmax(logits) == NAME_answers[place]<CHECK>) right++;
  }
  line = NAME_counted(NAME_written(line, "smidgen self-test: "), right);
  line = NAME_counted(NAME_written(line, " of "), UPPER_SELF_TEST_PICTURES);
  *line = 0;
  return right;
}
