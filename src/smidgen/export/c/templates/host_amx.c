
#if defined(__linux__)
#include <cpuid.h>
/* Whether there are tiles of bytes, and the system lets this process have them; it must be asked. */
static int tiles_are_there(void) {
  static int known; /* 1: there are none; threads that ask at the same time find the same */
  int found = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (!found) {
    unsigned int a, b, c, d;
    found = 1;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3) == 3) {
      long asked = 158; /* arch_prctl, of ARCH_REQ_XCOMP_PERM and tiles */
      __asm__ volatile("syscall" : "+a"(asked) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
      if (!asked) found = 2;
    }
    __atomic_store_n(&known, found, __ATOMIC_RELAXED);
  }
  return found - 1;
}
#else
static int tiles_are_there(void) { return 0; }
#endif
/* Written out: not every compiler knows them, and some say too little of the memory that they touch. */
#define TILE_SHAPES(p) __asm__ volatile("ldtilecfg %0" : : "m"(*(p)) : "memory")
#define TILE_RELEASE() __asm__ volatile("tilerelease" : : : "memory")
#define TILE_LOAD(t, p, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"((const void *)(p)), "r"((long)(stride)) : "memory")
#define TILE_STORE(t, p, stride) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"((void *)(p)), "r"((long)(stride)) : "memory")
#define TILE_DOT(sum, a, b) __asm__ volatile("tdpbusd %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : : : "memory")
