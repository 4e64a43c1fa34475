/* Call functions of a library for a program on another system: standard input brings a call and the memory that it
 * points into, standard output takes the result and that memory afterwards. On 64-bit Arm functions take integers and
 * pointers apart from floating-point numbers; on Windows all lie in one row, a number in a register of its own if it is
 * among the first four. Neither sees arguments that it has no names for. */
#include <stdint.h>
#include <stdio.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#define OPEN(path) (_setmode(0, _O_BINARY), _setmode(1, _O_BINARY), (void *)LoadLibraryA(path))
#define FIND(library, name) (void *)GetProcAddress((HMODULE)library, name)
#else
#include <dlfcn.h>
#define OPEN(path) dlopen(path, RTLD_NOW)
#define FIND(library, name) dlsym(library, name)
#endif

typedef struct {
    char name[64];
    int64_t size, words[13];
    double numbers[2];
} Call;
typedef int64_t Function(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, double, double);
#ifdef _WIN32
typedef int64_t FourthIsANumber(int64_t, int64_t, int64_t, double, int64_t, int64_t, int64_t, int64_t);
#endif

static _Alignas(64) char memory[1 << 26];

static int64_t call(void *found, const Call *c) {
    const int64_t *w = c->words;
#ifdef _WIN32
    if (c->numbers[0] != 0) {
        union {
            int64_t word;
            double number;
        } fourth = {w[3]};
        return ((FourthIsANumber *)found)(w[0], w[1], w[2], fourth.number, w[4], w[5], w[6], w[7]);
    }
#endif
    return ((Function *)found)(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12],
                               c->numbers[0], c->numbers[1]);
}

int main(int count, char **arguments) {
    void *library = count == 2 ? OPEN(arguments[1]) : NULL;
    if (library == NULL) return fprintf(stderr, "the library does not open\n"), 1;
    int64_t base = (int64_t)(intptr_t)memory;
    fwrite(&base, sizeof base, 1, stdout);
    for (Call c; fflush(stdout) == 0 && fread(&c, sizeof c, 1, stdin) == 1;) {
        void *found = FIND(library, c.name);
        if (found == NULL || c.size > (int64_t)sizeof memory || fread(memory, 1, (size_t)c.size, stdin) < (size_t)c.size)
            return fprintf(stderr, "cannot call %s with %lld bytes\n", c.name, (long long)c.size), 1;
        int64_t result = call(found, &c);
        fwrite(&result, sizeof result, 1, stdout);
        fwrite(memory, 1, (size_t)c.size, stdout);
    }
}
