/* Prints what NAME answers for a test picture, and whether it answers as on the computer; then
   blinks once for the first class, twice for the second, and so on. */
#include <Arduino.h>
#include <NAME.h>
#include <NAME_self_test.h>

static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];

void setup() {
  Serial.begin(115200);
#ifdef LED_BUILTIN
  pinMode(LED_BUILTIN, OUTPUT);
#endif
}

void loop() {
  NAME_in(memory, NAME_test_picture(0), logits);
  const int answer = NAME_argmax(logits);
  Serial.print("NAME: ");
  Serial.println(NAME_class_name(answer));

  char line[UPPER_SELF_TEST_LINE];
  NAME_self_test(memory, line);
  Serial.println(line);

#ifdef LED_BUILTIN /* a bare ESP32 has no light of its own */
  for (int i = 0; i <= answer; i++) {
    digitalWrite(LED_BUILTIN, HIGH);
    delay(200);
    digitalWrite(LED_BUILTIN, LOW);
    delay(200);
  }
#endif
  delay(2000);
}
