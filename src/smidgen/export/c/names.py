"""Names that a net cannot have in C: those of languages, libraries and of what other nets bring."""

import re

_KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
constinit continue decltype default delete do double dynamic_cast else enum explicit export extern
false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr
operator or or_eq private protected public register reinterpret_cast requires restrict return short
signed sizeof static static_assert static_cast struct switch template this thread_local throw true
try typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t
while xor xor_eq
"""
_HEADERS = """
alloca arduino assert complex config ctype endian errno features fenv float inttypes iso646 limits
locale malloc math memory pthread sched setjmp signal stdalign stdarg stdatomic stdbool stddef
stdint stdio stdlib stdnoreturn string strings tgmath threads time uchar unistd wchar wctype
"""  # whose files would be found in place of the library's
_FUNCTIONS = """
abort abs app_main atexit atof atoi atol calloc clock close delay exit fclose fflush fopen fprintf
fputc fputs fread free fseek ftell fwrite getc getchar gets index init isalnum isalpha isdigit
isspace j0 j1 jn labs linux loop main map max memchr memcmp memcpy memmove memset min open perror
printf putc putchar puts qsort raise rand random read realloc remove rename rewind scanf select
setup sleep smidgen snprintf sprintf srand sscanf strcat strchr strcmp strcpy strlen strncmp
strncpy strstr strtol system tolower toupper unix write y0 y1 yield yn
"""  # and macros that compilers, libraries or boards know
_SYSTEM = """
accept access alarm bind connect daemon ffs finite flock fork kill link listen nice pause pipe poll
recv revoke send shutdown socket stat std sync syscall truncate wait
"""  # likewise, of POSIX, and the namespace of C++
_OTHERS = """
bit boolean byte constrain degrees div imaxabs interrupts isblank iscntrl isgraph isinf islower
isnan isprint ispunct isupper isxdigit ldiv llabs micros millis radians signal sq strcoll strcspn
strerror strpbrk strspn strtod strtoul strxfrm tone vprintf word
"""  # likewise, of C99's numbers and characters, and of Arduino
_MATHEMATICS = """
acos acosh asin asinh atan atan2 atanh cabs cacos cacosh carg casin casinh catan catanh cbrt ccos
ccosh ceil cexp cimag clog conj copysign cos cosh cpow cproj creal csin csinh csqrt ctan ctanh erf
erfc exp exp2 expm1 fabs fdim floor fma fmax fmin fmod frexp gamma hypot ilogb infinity ldexp
lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter
nexttoward pow remainder remquo rint round scalbln scalbn significand sin sinh sqrt tan tanh tgamma
trunc
"""  # likewise; each is there for float and long double too
_LIBRARY = """
asctime asctime_r atoll bsearch btowc ctime ctime_r difftime feclearexcept fegetenv fegetexceptflag
fegetround feholdexcept feraiseexcept fesetenv fesetexceptflag fesetround fetestexcept feupdateenv
fgetwc fgetws fpclassify fputwc fputws fwide fwprintf fwscanf getenv getwc getwchar gmtime gmtime_r
imaginary imaxdiv isfinite isgreater isgreaterequal isless islessequal islessgreater isnormal
isunordered iswalnum iswalpha iswblank iswcntrl iswctype iswdigit iswgraph iswlower iswprint
iswpunct iswspace iswupper iswxdigit jmp_buf lconv lldiv localeconv localtime localtime_r longjmp
math_errhandling mblen mbrlen mbrtowc mbsinit mbsrtowcs mbstowcs mbtowc mktime psignal putwc
putwchar setlocale signbit strftime strncat strrchr strsignal strtof strtoimax strtok strtold
strtoll strtoull strtoumax swprintf swscanf tm towctrans towlower towupper ungetwc va_arg va_copy
va_end va_start vfwprintf vfwscanf vswprintf vswscanf vwprintf vwscanf wcrtomb wcscat wcschr wcscmp
wcscoll wcscpy wcscspn wcsftime wcslcat wcslcpy wcslen wcsncat wcsncmp wcsncpy wcspbrk wcsrchr
wcsrtombs wcsspn wcsstr wcstod wcstof wcstoimax wcstok wcstol wcstold wcstoll wcstombs wcstoul
wcstoull wcstoumax wcsxfrm wctob wctomb wctrans wmemchr wmemcmp wmemcpy wmemmove wmemset wprintf
wscanf
"""  # likewise, what else there is in C99's library, and glibc's and newlib's beside it
_STDIO = """
asiprintf asniprintf asnprintf asprintf clearerr clearerr_unlocked ctermid cuserid diprintf dprintf
fcloseall fd_mask fd_set fdopen feof feof_unlocked ferror ferror_unlocked fflush_unlocked fgetc
fgetc_unlocked fgetpos fgetpos64 fgets fgets_unlocked fileno fileno_unlocked fiprintf fiscanf
flockfile fmemopen fopen64 fopencookie fpurge fputc_unlocked fputs_unlocked fread_unlocked freopen
freopen64 fropen fscanf fseeko fseeko64 fsetpos fsetpos64 ftello ftello64 ftrylockfile funlockfile
funopen fwopen fwrite_unlocked getc_unlocked getchar_unlocked getdelim getline getw iprintf iscanf
obstack obstack_printf obstack_vprintf offsetof open_memstream pclose physadr popen pselect
putc_unlocked putchar_unlocked putw quad renameat renameat2 setbuf setbuffer setlinebuf setvbuf
siprintf siscanf sniprintf stderr stdin stdout tempnam tmpfile tmpfile64 tmpnam tmpnam_r u_char
u_int u_long u_short uint ulong ungetc ushort va_list vasiprintf vasniprintf vasnprintf vasprintf
vdiprintf vdprintf vfiprintf vfiscanf vfprintf vfscanf viprintf viscanf vscanf vsiprintf vsiscanf
vsniprintf vsnprintf vsprintf vsscanf
"""  # likewise, of what the programs of packages include: glibc's and newlib's
_CORES = "client print printable server stream udp"  # Print.h is found for print.h on Windows
# A component of a project takes the place of ESP-IDF's own of that name. Source: the folders of
# components/ in espressif/esp-idf, 4.4 to 5.5 (docs, "Build System", "Multiple components with the
# same name"); its esp_..., and what a project itself is called, are refused by their beginning.
_ESP_IDF = """
app_trace app_update asio bootloader bootloader_support bt cbor cmock coap console cxx driver efuse
esp32 esp32c2 esp32c3 esp32c6 esp32h2 esp32p4 esp32s2 esp32s3 espcoredump esptool_py expat fatfs
freemodbus freertos hal heap http_parser idf idf_test ieee802154 jsmn json libsodium linux log lwip
main mbedtls mdns mqtt newlib nghttp nvs_flash nvs_sec_provider openssl openthread partition_table
perfmon protocomm pthread riscv rt sdmmc soc spi_flash spiffs tcp_transport tcpip_adapter tinyusb
touch_element ulp unity usb vfs wear_levelling wifi_provisioning wpa_supplicant xtensa
"""
# wire.h is found for Wire.h where a system tells no capitals, and a library of a sketchbook takes
# the place of the core's own of that name. Source: libraries/ of arduino/ArduinoCore-avr, -samd,
# -mbed, -renesas, espressif/arduino-esp32, esp8266/Arduino and earlephilhower/arduino-pico, those
# that the editor brings, and the headers of cores/arduino.
_ARDUINO = """
adafruit_tinyusb_arduino analogwave arduino_can arduino_h7_video arduinoota asyncudp audio binary
ble bluetoothserial boarddefs bridge camera cdc dma dnsserver eeprom esp esp8266httpclient
esp8266mdns esp8266webserver esp8266wifi esp_i2s esp_now esp_sr espmdns esplora ethernet fatfs
ffat firmata freertos fs functionalinterrupt gps gsm hardwareserial hash hid httpclient httpupdate
httpupdateserver i2s insights ipaddress kerneldebug keyboard lcd led liquidcrystal littlefs lwip
matter mbed mcuboot mlc mouse mri netbios network networkclientsecure new openthread
pdm pgmspace pluggableusb portenta_audio portenta_camera portenta_sdcard portenta_sdram
portenta_system portenta_video ppp preferences pulse rainmaker robot_control rpc rtc rtos samd sam
scheduler schedule sd sd_mmc sdfat se05x servo simpleble socketwrapper softwareserial softwarewire
spacebrewyun spi spiffs spislave sslclient stepper temboo tensorflow tflitemicro tft threaddebug
ticker timer tone tinyusb uart update usb usbapi usbcore usbdesc usbhid usbhost usbmsd variant
watchdog webserver wifi wifi101 wificlient wificlientsecure wifiesp8266 wifinina wifiprov wifis3
wifiserver wifiudp wire wiring_private wmath wstring zigbee
"""
_BUILDS = {
    "esp-idf": ("ESP-IDF", frozenset(_ESP_IDF.split()), ("esp_", "idf_")),
    "arduino": ("Arduino", frozenset(_ARDUINO.split()), ("arduino_",)),
    "platformio": ("Arduino", frozenset(_ARDUINO.split()), ("arduino_",)),  # brings its libraries
}
_DEVICES = "aux com1 com2 com3 com4 con lpt1 lpt2 lpt3 nul prn"  # no file of Windows is called so
_BESIDE = "camera frame logits memory seen values window"  # in packages' sketches and programs
_TAKEN = frozenset(
    f"{_KEYWORDS} {_HEADERS} {_FUNCTIONS} {_SYSTEM} {_OTHERS} {_LIBRARY} {_STDIO}"
    f" {_CORES} {_DEVICES} {_BESIDE}".split()
).union(name + kind for name in _MATHEMATICS.split() for kind in ("", "f", "l"))
_MEASURED = re.compile(  # by macros of <stdint.h>, as INT8_WIDTH, in C23 and in C++ with extensions
    "u?int(max|ptr|(_least|_fast)?(8|16|32|64))|ptrdiff|sig_atomic|size|wint"
)
_OURS = re.compile(
    ".*_(in|rows|source|bytes|argmax|probabilities|power|class_name|picture|frame|frame_row|frame_set"
    "|self_test|serve(_line)?|sure|test_picture|test_answer|from|until|mean|over|row_of|add_(rgb|yuv|row)|color|test)"
)  # and what a net must not be called beside another: X_COLOR_CHANNELS would be X's and X_COLOR's


def is_taken(name: str) -> bool:
    """Return whether a language, a library or a board has the name already."""
    reserved = name.startswith("_") or name.endswith("_t") or "__" in name
    return name in _TAKEN or reserved or _MEASURED.fullmatch(name) is not None


def owner_of(name: str, target: str) -> str:
    """Return what has a name already where a target is built; ``""`` of a free one."""
    owner, names, beginnings = _BUILDS.get(target, ("", frozenset[str](), ()))
    return owner if name in names or name.startswith(beginnings) else ""


def identifier_of(title: str, target: str = "") -> str:
    """Return the name in C of a net with a title: lower case, digits and underscores.

    Args:
        title: Of the net.
        target: That it is exported to, whose build system may own names.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    plain = re.sub("_t$", "t", plain)  # C keeps names that end so to itself
    if not plain[:1].isalpha() or is_taken(plain) or owner_of(plain, target):
        plain = f"net_{plain}".rstrip("_")
    return f"{plain}_net" if _OURS.fullmatch(plain) else plain


def require_identifier(name: str) -> None:
    """Refuse a name that C cannot use.

    Raises:
        ValueError: Naming what was given.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise ValueError(f"name must be a lower-case C identifier, got {name!r}")
    if name in _KEYWORDS.split():
        raise ValueError(f"name must be a lower-case C identifier, got the keyword {name!r}")
    if is_taken(name):
        raise ValueError(f"name must be free in C, got {name!r}, which is taken or reserved")


def require_own(name: str, target: str = "") -> None:
    """Refuse a name that a person chose and that is taken, also by what other nets bring.

    Args:
        name: Of the files and of the C function.
        target: That it is exported to, whose build system may own names.

    Raises:
        ValueError: Naming what was given.
    """
    require_identifier(name)
    if _OURS.fullmatch(name):
        raise ValueError(f"name must not end as the functions of a net do, got {name!r}")
    if owner := owner_of(name, target):
        raise ValueError(
            f"name must be free in {target}, got {name!r}, which would take the place of"
            f" {owner}'s own: net_{name} is free"
        )
