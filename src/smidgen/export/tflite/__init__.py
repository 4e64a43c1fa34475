"""TensorFlow Lite files: an integer program in operations that every micro interpreter has."""
