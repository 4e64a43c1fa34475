"""C99: int8 and float32, where it runs and what it takes there."""
