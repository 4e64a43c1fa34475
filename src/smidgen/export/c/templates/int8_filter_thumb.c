
#if THUMB && THUMB_FILTERS
/* A channel of a row alone, 3 x 3 at stride 1, four pixels at a time: six columns of three weights. */
typedef struct {
  int32_t weight[9];
  const int8_t *pixels[3]; /* from 36 */
  const uint32_t *unit; /* 48 */
  int8_t *out; /* 52 */
  int32_t at, last; /* 56, 60: bytes from the row's start */
  int32_t channels, zero; /* 64, 68 */
} filtering;

#define COLUMN "ldrsb r0,[r2,r3]\nadds r3,r4\n"
#define TAP(sum, w) "mov r1," w "\nmuls r1,r0\nadd " sum ",r1\n"
#define LAST_TAP(sum, w) "muls r0," w "\nadd " sum ",r0\n"
#define ROW(pixels, weights) \
  "mov r0,lr\nldr r3,[r0,#56]\nldr r2,[r0,#" pixels "]\nadds r0,#" weights "\nldm r0!,{r5,r6,r7}\n" \
  COLUMN LAST_TAP("r8", "r5") COLUMN TAP("r9", "r5") LAST_TAP("r8", "r6") COLUMN TAP("r10", "r5") TAP("r9", "r6") LAST_TAP("r8", "r7") \
  COLUMN TAP("r11", "r5") TAP("r10", "r6") LAST_TAP("r9", "r7") COLUMN TAP("r11", "r6") LAST_TAP("r10", "r7") COLUMN LAST_TAP("r11", "r7")
__attribute__((naked, noinline)) static void filter_channel(__attribute__((unused)) const filtering *own) {
  __asm__ volatile(
    ".syntax unified\npush {r4-r7,lr}\nmov r3,r8\nmov r4,r9\nmov r5,r10\nmov r6,r11\npush {r3-r6}\nmov lr,r0\nmovs r1,#1\nlsls r1,#14\nmov r12,r1\n"
    "1:\nmov r0,lr\nldr r1,[r0,#48]\nldr r1,[r1]\nmov r8,r1\nmov r9,r1\nmov r10,r1\nmov r11,r1\nldr r4,[r0,#64]\n"
    ROW("36", "0") ROW("40", "12") ROW("44", "24")
    "mov r3,lr\nldr r0,[r3,#48]\nldr r0,[r0,#4]\nlsrs r0,#1\nuxth r4,r0\nlsrs r5,r0,#16\nmovs r6,#31\nands r6,r0\nldr r7,[r3,#68]\n"
    "ldr r1,[r3,#52]\nldr r2,[r3,#56]\nldr r3,[r3,#64]\nmov r0,r8\nmov r8,r3\nadds r3,r1,r2\n"
    NARROW("3") "strb r0,[r3]\nadd r3,r8\nmov r0,r9\n" NARROW("4") "strb r0,[r3]\nadd r3,r8\nmov r0,r10\n"
    NARROW("5") "strb r0,[r3]\nadd r3,r8\nmov r0,r11\n" NARROW("6") "strb r0,[r3]\n"
    "mov r0,lr\nldr r1,[r0,#56]\nldr r2,[r0,#60]\nmov r3,r8\nlsls r3,#2\ncmp r1,r2\nbeq 9f\nadds r1,r3\ncmp r1,r2\nbls 7f\nmov r1,r2\n"
    "7:\nstr r1,[r0,#56]\nb 1b\n"
    "9:\npop {r3-r6}\nmov r8,r3\nmov r9,r4\nmov r10,r5\nmov r11,r6\npop {r4-r7,pc}\n");
}

SMALL static void filter_channels(const layer *own, int8_t *const *rows, int8_t *out) {
  const int channels = own->channels;
  const int8_t *w = weights + own->weight;
  filtering args = {{0}, {rows[0], rows[1], rows[2]}, units + 2 * own->unit, out, 0, 0, channels, 2 * own[1].zero + 1};
  for (int c = 0; c < channels; c++, w += c & 3 ? 1 : 33) {
    for (int i = 0; i < 9; i++) args.weight[i] = w[4 * i];
    args.at = 0, args.last = (own[1].width - 4) * channels;
    filter_channel(&args);
    args.pixels[0]++, args.pixels[1]++, args.pixels[2]++, args.out++, args.unit += 2;
  }
}
#endif
