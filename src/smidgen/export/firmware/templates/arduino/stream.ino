/* Prints what NAME answers for a sensor that is read without end: of the last UPPER_MOMENTS readings,
   anew after HOP more of them, by the mean of the logits of the last ANSWERS. In read_moment() your
   sensor comes in place of the array in window.h: its channels in the order and the units of
   training, and read as often (UPPER_CHANNEL_NAMES and UPPER_INTERVAL_US where NAME.h has them;
   with UPPER_INTERVAL in its place, of no unit or of other lengths, waiting is left to you). */
#include <NAME.h>
#include <NAME_picture.h>
#include <string.h>

#include "window.h"

enum { HOP = UPPER_MOMENTS > 1 ? UPPER_MOMENTS / 2 : 1, ANSWERS = 3 };

static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES], last[ANSWERS][UPPER_CLASSES];
static uint8_t ring[UPPER_MOMENTS * UPPER_CHANNELS]; /* the oldest reading is the next to go */
static uint8_t <HELD>[<BYTES_HELD>]; /* the same from the oldest to the newest */<FITTED>
static uint32_t place, wait = UPPER_MOMENTS, answer, answers;

static void read_moment(float *moment) {
  for (int c = 0; c < UPPER_CHANNELS; c++) moment[c] = values[place * UPPER_CHANNELS + c];
}

static void tell() {
  int best = 0;
  float most = 0;
  for (int k = 0; k < UPPER_CLASSES; k++) {
    float sum = 0;
    for (uint32_t i = 0; i < answers; i++) sum += (float)last[i][k];
    if (k == 0 || sum > most) {
      most = sum;
      best = k;
    }
  }
  Serial.print("NAME: ");
  Serial.println(NAME_class_name(best));
}

void setup() {
  Serial.begin(115200);
#ifdef UPPER_INTERVAL
  Serial.println("nothing waits between readings: UPPER_INTERVAL of NAME.h says how long to");
#endif
}

void loop() {
  float moment[UPPER_CHANNELS];
#ifdef UPPER_INTERVAL_US /* as in training, if the answer takes no longer than a reading may wait */
  static unsigned long due = micros();
  while ((long)(micros() - due) < 0) {
  }
  due += (unsigned long)UPPER_INTERVAL_US;
#endif
  read_moment(moment);
  if (!NAME_bytes(moment, 1, ring + place * UPPER_CHANNELS)) Serial.println("a reading is NaN or infinite");
  place = (place + 1) % UPPER_MOMENTS;
  if (--wait) return;
  wait = HOP;
  for (uint32_t i = 0; i < UPPER_MOMENTS; i++) {
    memcpy(<HELD> + i * UPPER_CHANNELS, ring + (place + i) % UPPER_MOMENTS * UPPER_CHANNELS, UPPER_CHANNELS);
  }
  <CALL>
  memcpy(last[answer], logits, sizeof logits);
  answer = (answer + 1) % ANSWERS;
  if (answers == 0) Serial.println(NAME_argmax(logits) == WINDOW_ANSWER ? "as on the computer" : "not as on the computer");
  if (answers < ANSWERS) answers++;
  tell();
}
