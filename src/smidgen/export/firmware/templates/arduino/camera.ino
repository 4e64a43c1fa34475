/* Prints what NAME answers for a frame as a camera gives it. In place of the array in frame.h comes
   the buffer of your camera; UPPER_FRAME says at compile time if its format cannot be. */
#include <NAME.h>
#include <NAME_picture.h>

#include "frame.h"

static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];
UPPER_FRAME(camera, UPPER_FRAME_RGB565_BE, FRAME_HEIGHT, FRAME_WIDTH, 2 * FRAME_WIDTH);

void setup() {
  Serial.begin(115200);
}

void loop() {
  camera.bytes = frame;
  NAME_rows(memory, NAME_frame_row, &camera, logits);
  Serial.print("NAME: ");
  Serial.println(NAME_class_name(NAME_argmax(logits)));
  Serial.println(NAME_argmax(logits) == FRAME_ANSWER ? "as on the computer" : "not as on the computer");
  delay(2000);
}
