/* One product of tiles twice: emulated, and where the processor has them by its own instructions. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tiles.h"

void emulated(const void *shapes, const void *a, const void *b, void *sums) {
    tile_config(shapes);
    tile_load(0, sums, 64);
    tile_load(1, a, 64);
    tile_load(2, b, 64);
    tile_dot(0, 1, 2);
    tile_store(0, sums, 64);
    tile_release();
}
#ifdef __AMX_BF16__
void real(const void *shapes, const void *a, const void *b, void *sums) {
    int64_t stride = 64;
    __asm__ volatile("ldtilecfg (%0)" ::"r"(shapes) : "memory");
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm0" ::"r"(sums), "r"(stride) : "memory");
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm1" ::"r"(a), "r"(stride) : "memory");
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm2" ::"r"(b), "r"(stride) : "memory");
    __asm__ volatile("tdpbf16ps %%tmm2, %%tmm1, %%tmm0" ::: "memory");
    __asm__ volatile("tilestored %%tmm0, (%0,%1,1)" ::"r"(sums), "r"(stride) : "memory");
    __asm__ volatile("tilerelease" ::: "memory");
}
#endif
