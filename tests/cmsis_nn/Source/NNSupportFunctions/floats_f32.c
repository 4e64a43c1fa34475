#error files for floats are not compiled
