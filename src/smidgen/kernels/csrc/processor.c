/* Which of the compiled instruction sets this processor runs: bit 0 AVX2 with FMA, bit 1 AVX-512, bit 2 AVX-512 BF16, bit 3
 * AMX with bfloat16; bit 4 where the processor has AMX but the system does not let this process use it. */
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static int has_tiles(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
}
/* Linux keeps a process from the 8 KB of tiles, which every switch between threads would have to save, until it asks. */
static int asked_for_tiles(void) {
#if defined(__linux__)
    enum { REQUEST = 0x1023, PERMITTED = 0x1022, TILE_DATA = 18 };
    unsigned long permitted = 0;
    if (syscall(SYS_arch_prctl, REQUEST, TILE_DATA)) return 0;
    return syscall(SYS_arch_prctl, PERMITTED, &permitted) == 0 && (permitted >> TILE_DATA & 1);
#else
    return 0;
#endif
}
int smidgen_processor(void) {
    __builtin_cpu_init();
    int found = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (found && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        found |= __builtin_cpu_supports("avx512bf16") ? 6 : 2;
    if ((found & 4) && has_tiles()) found |= asked_for_tiles() ? 8 : 16;
    return found;
}
#else
int smidgen_processor(void) { return 0; }
#endif
