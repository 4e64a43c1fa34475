static inline void clear(float *p, int count) {
  for (int i = 0; i < count; i++) {
#if defined(__GNUC__) && LANES == 1
    __asm__ volatile("" ::: "memory"); /* or it becomes a call of memset */
#endif
    p[i] = 0;
  }
}

