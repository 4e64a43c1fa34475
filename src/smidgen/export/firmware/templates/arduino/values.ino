/* Prints what NAME answers for a window of measured values. In place of the array in window.h come
   the readings of your sensor, as many, as often and in the units as in training. */
#include <NAME.h>
#include <NAME_picture.h>

#include "window.h"

static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];
static uint8_t <HELD>[<BYTES_HELD>]; /* row by row, the channels of a pixel together */<FITTED>

void setup() {
  Serial.begin(115200);
}

void loop() {
  for (int i = 0; i < <BYTES_HELD>; i += UPPER_CHANNELS) {
    NAME_bytes(values + i, 1, <HELD> + i); /* as they come; it returns 0 if one is NaN or infinite */
  }
  <CALL>
  Serial.print("NAME: ");
  Serial.println(NAME_class_name(NAME_argmax(logits)));
  Serial.println(NAME_argmax(logits) == WINDOW_ANSWER ? "as on the computer" : "not as on the computer");
  delay(2000);
}
