/* Call functions of a library for a program on another processor: standard input brings a call and the memory that it
 * points into, standard output takes the result and that memory afterwards. For 64-bit Arm, whose functions take
 * integers and pointers apart from floating-point numbers and do not see arguments they have no names for. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    char name[64];
    int64_t size, words[13];
    double numbers[2];
} Call;
typedef int64_t Function(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, double, double);

static _Alignas(64) char memory[1 << 26];

int main(int count, char **arguments) {
    void *library = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
    char *base = memory;
    fwrite(&base, sizeof base, 1, stdout);
    for (Call c; fflush(stdout) == 0 && fread(&c, sizeof c, 1, stdin) == 1;) {
        Function *f = (Function *)dlsym(library, c.name);
        if (f == NULL || c.size > (int64_t)sizeof memory || fread(memory, 1, (size_t)c.size, stdin) < (size_t)c.size)
            return fprintf(stderr, "cannot call %s with %lld bytes\n", c.name, (long long)c.size), 1;
        const int64_t *w = c.words;
        int64_t result = f(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], c.numbers[0],
                           c.numbers[1]);
        fwrite(&result, sizeof result, 1, stdout);
        fwrite(memory, 1, (size_t)c.size, stdout);
    }
}
