/* Answers the pictures that `smidgen verify --port` sends over the serial line, bit by bit those of
   the computer or not; while it runs nothing else may write to the line. */
#include <NAME.h>
#include <NAME_serve.h>

static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];
static uint8_t seen[UPPER_PIXELS];

static int NAME_serve_read(void *) {
  const unsigned long begin = millis();
  while (!Serial.available()) {
    if (millis() - begin > 1000) return -1;
    yield(); /* to what a board does besides, USB say */
  }
  return Serial.read();
}

static void NAME_serve_write(void *, const uint8_t *bytes, int count) {
  Serial.write(bytes, count);
}

static uint32_t NAME_serve_clock(void *) {
  return micros();
}

static const NAME_serve_line NAME_serve_serial = {NAME_serve_read, NAME_serve_write, NAME_serve_clock, 0};

void setup() {
  Serial.begin(115200);
}

void loop() {
  NAME_serve(&NAME_serve_serial, memory, seen, logits);
}
