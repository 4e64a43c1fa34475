/* Memory for one call, kept by the thread for the next one and released when the thread ends. What does not fit is
 * allocated apart, once: the next call finds room for it. Slack behind every piece lets vectors read past its end. */
#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#define ALIGNED(to, size) _aligned_malloc(size, to)
#define RELEASE(p) _aligned_free(p)
#else
#include <pthread.h>
#define ALIGNED(to, size) aligned_alloc(to, size)
#define RELEASE(p) free(p)
#endif

typedef struct Extra {
    struct Extra *next;
} Extra;
typedef struct {
    char *base;
    size_t size, used;
    Extra *extra;
} Arena;
enum { SLACK = 256 };

static void *allocate(size_t size) {
    size_t large = (size_t)1 << 21; /* bytes of a large page, which saves the processor looking up hundreds of small ones */
    int worth_it = size >= large / 8;
    void *p = worth_it ? ALIGNED(large, (size + large - 1) / large * large) : ALIGNED(64, size);
    if (p == NULL) abort();
#ifdef MADV_HUGEPAGE
    if (worth_it) madvise(p, (size + large - 1) / large * large, MADV_HUGEPAGE); /* the system may refuse */
#endif
    return p;
}
static void release_extra(Arena *arena) {
    while (arena->extra) {
        Extra *next = arena->extra->next;
        RELEASE(arena->extra);
        arena->extra = next;
    }
}

/* The system tells of a thread's end whatever began it. The value that it then hands over is all that may be touched: a
 * variable of the thread may be gone before it on macOS and Windows. */
static void at_the_end(void *arena) {
    if (arena == NULL) return;
    release_extra(arena);
    RELEASE(((Arena *)arena)->base);
    free(arena);
}
#if defined(_WIN32)
static DWORD key = FLS_OUT_OF_INDEXES;
static void WINAPI thread_ends(void *arena) { at_the_end(arena); }
__attribute__((constructor)) static void begin(void) { key = FlsAlloc(thread_ends); }
static Arena *held(void) { return FlsGetValue(key); }
static int hold(Arena *arena) { return FlsSetValue(key, arena); }
#else
static pthread_key_t key;
static int has_key;
__attribute__((constructor)) static void begin(void) { has_key = pthread_key_create(&key, at_the_end) == 0; }
static Arena *held(void) { return has_key ? pthread_getspecific(key) : NULL; }
static int hold(Arena *arena) { return has_key && pthread_setspecific(key, arena) == 0; }
#endif

static Arena *arena_of_thread(void) {
    Arena *arena = held();
    if (arena) return arena;
    arena = calloc(1, sizeof(Arena));
    if (arena == NULL || !hold(arena)) abort();
    return arena;
}
void smidgen_memory_open(void) {
    Arena *arena = arena_of_thread();
    release_extra(arena);
    if (arena->used > arena->size) {
        RELEASE(arena->base);
        arena->base = allocate(arena->used);
        arena->size = arena->used;
    }
    arena->used = 0;
}
void *smidgen_memory_take(int64_t count, size_t item) {
    Arena *arena = arena_of_thread();
    size_t size = ((size_t)count * item + SLACK + 63) / 64 * 64, from = arena->used;
    arena->used += size;
    if (arena->used <= arena->size) return arena->base + from;
    Extra *extra = allocate(size + 64);
    extra->next = arena->extra;
    arena->extra = extra;
    return (char *)extra + 64;
}
