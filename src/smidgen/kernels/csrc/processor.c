/* Which of the compiled instruction sets this processor runs: bit 0 AVX2 with FMA, bit 1 AVX-512, bit 2 AVX-512 BF16. */
#if defined(__x86_64__)
int smidgen_processor(void) {
    __builtin_cpu_init();
    int found = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (found && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        found |= __builtin_cpu_supports("avx512bf16") ? 6 : 2;
    return found;
}
#else
int smidgen_processor(void) { return 0; }
#endif
