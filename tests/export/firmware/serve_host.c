/* Serves a net over the standard streams of this machine, as a board does over its serial line. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "NAME_serve.h"

static int read_byte(void *context) {
  struct pollfd in = {0, POLLIN, 0};
  uint8_t byte;
  (void)context;
  if (poll(&in, 1, 200) != 1) return -1;
  if (read(0, &byte, 1) != 1) _exit(0); /* nobody is there any more */
  return byte;
}

static void write_bytes(void *context, const uint8_t *bytes, int count) {
  (void)context;
  while (count > 0) {
    const int done = (int)write(1, bytes, (size_t)count);
    if (done < 1) _exit(0);
    bytes += done;
    count -= done;
  }
}

static uint32_t clock_of(void *context) {
  struct timespec now;
  (void)context;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)(now.tv_sec * 1000000LL + now.tv_nsec / 1000);
}

int main(void) {
  static <KIND> memory[UPPER_MEMORY_BYTES / 4], logits[UPPER_CLASSES];
  static uint8_t pixels[UPPER_PIXELS];
  const NAME_serve_line line = {read_byte, write_bytes, clock_of, 0};
  for (;;) NAME_serve(&line, memory, pixels, logits);
}
