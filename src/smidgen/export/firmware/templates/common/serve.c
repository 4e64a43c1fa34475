/* SPDX-License-Identifier: 0BSD */
#include "NAME_serve.h"

#include <string.h>

#if !defined(UPPER_MADE_OF_<MADE_OF>)
#error "NAME_serve.c was made for another net than NAME.h: take both from one export"
#endif

static const uint8_t NAME_serve_magic[4] = {0xA5, 0x53, 0x47, 0x31};

static uint32_t NAME_serve_crc(uint32_t crc, uint8_t byte) { /* without a table: 1 KB of flash less */
  crc ^= byte;
  for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
  return crc;
}

/* Reads one byte of a frame and takes it into the CRC. Returns 0 if the frame broke off. */
static int NAME_serve_take(const NAME_serve_line *line, uint32_t *crc, uint8_t *byte) {
  const int got = line->read(line->context);
  if (got < 0) return 0;
  *byte = (uint8_t)got;
  *crc = NAME_serve_crc(*crc, *byte);
  return 1;
}

static int NAME_serve_number(const NAME_serve_line *line, uint32_t *crc, uint32_t *number) {
  uint8_t byte = 0;
  *number = 0;
  for (int i = 0; i < 4; i++) {
    if (!NAME_serve_take(line, crc, &byte)) return 0;
    *number |= (uint32_t)byte << (8 * i);
  }
  return 1;
}

static void NAME_serve_put(const NAME_serve_line *line, uint32_t *crc, const uint8_t *bytes, int count) {
  for (int i = 0; i < count; i++) *crc = NAME_serve_crc(*crc, bytes[i]);
  line->write(line->context, bytes, count);
}

static void NAME_serve_say(const NAME_serve_line *line, uint32_t *crc, uint32_t number) {
  uint8_t bytes[4];
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (8 * i));
  NAME_serve_put(line, crc, bytes, 4);
}

static uint32_t NAME_serve_begin(const NAME_serve_line *line, uint8_t letter, int length) {
  uint32_t crc = 0xFFFFFFFFu;
  line->write(line->context, NAME_serve_magic, 4);
  NAME_serve_put(line, &crc, &letter, 1);
  NAME_serve_say(line, &crc, (uint32_t)length);
  return crc;
}

static void NAME_serve_end(const NAME_serve_line *line, uint32_t crc) {
  uint32_t unused = 0;
  NAME_serve_say(line, &unused, ~crc);
}

static int NAME_serve_refuse(const NAME_serve_line *line, char why) {
  const uint8_t letter = (uint8_t)why;
  uint32_t crc = NAME_serve_begin(line, 'e', 1);
  NAME_serve_put(line, &crc, &letter, 1);
  NAME_serve_end(line, crc);
  return 0;
}

static int NAME_serve_hello(const NAME_serve_line *line) {
  static const char made_of[] = "<MADE_OF>", name[] = "NAME";
  const uint8_t kind = (uint8_t)'<LETTER>';
  uint32_t crc = NAME_serve_begin(line, 'h', 12 + 4 + 4 + 1 + (int)sizeof name - 1);
  NAME_serve_put(line, &crc, (const uint8_t *)made_of, 12);
  NAME_serve_say(line, &crc, UPPER_PIXELS);
  NAME_serve_say(line, &crc, UPPER_CLASSES);
  NAME_serve_put(line, &crc, &kind, 1);
  NAME_serve_put(line, &crc, (const uint8_t *)name, (int)sizeof name - 1);
  NAME_serve_end(line, crc);
  return 0;
}

static int NAME_serve_answer(
    const NAME_serve_line *line, uint32_t number, void *memory, const uint8_t *pixels, <KIND> *logits) {
  const uint32_t begin = line->microseconds ? line->microseconds(line->context) : 0;
  NAME_in(memory, pixels, logits);
  const uint32_t took = line->microseconds ? line->microseconds(line->context) - begin : 0xFFFFFFFFu;
  uint32_t crc = NAME_serve_begin(line, 'p', 8 + 4 * UPPER_CLASSES);
  NAME_serve_say(line, &crc, number);
  NAME_serve_say(line, &crc, took);
  for (int k = 0; k < UPPER_CLASSES; k++) {
    uint32_t bits;
    memcpy(&bits, &logits[k], 4);
    NAME_serve_say(line, &crc, bits);
  }
  NAME_serve_end(line, crc);
  return 1;
}

/* Returns whether a frame begins: bytes that are of none are passed over. */
static int NAME_serve_found(const NAME_serve_line *line) {
  int matched = 0;
  while (matched < 4) {
    const int byte = line->read(line->context);
    if (byte < 0) return 0;
    matched = byte == NAME_serve_magic[matched] ? matched + 1 : byte == NAME_serve_magic[0];
  }
  return 1;
}

int NAME_serve(const NAME_serve_line *line, void *memory, uint8_t *pixels, <KIND> *logits) {
  uint32_t crc = 0xFFFFFFFFu, unused = 0, length, number = 0, told;
  uint8_t letter;
  if (!NAME_serve_found(line)) return 0;
  if (!NAME_serve_take(line, &crc, &letter)) return NAME_serve_refuse(line, 't');
  if (!NAME_serve_number(line, &crc, &length)) return NAME_serve_refuse(line, 't');
  if (letter != 'H' && letter != 'P') return NAME_serve_refuse(line, 'k');
  if (length != (letter == 'P' ? UPPER_PIXELS + 4u : 0u)) return NAME_serve_refuse(line, 'l');
  if (letter == 'P') {
    if (!NAME_serve_number(line, &crc, &number)) return NAME_serve_refuse(line, 't');
    for (int i = 0; i < UPPER_PIXELS; i++) {
      if (!NAME_serve_take(line, &crc, &pixels[i])) return NAME_serve_refuse(line, 't');
    }
  }
  if (!NAME_serve_number(line, &unused, &told)) return NAME_serve_refuse(line, 't');
  if (told != ~crc) return NAME_serve_refuse(line, 'c');
  return letter == 'H' ? NAME_serve_hello(line) : NAME_serve_answer(line, number, memory, pixels, logits);
}
