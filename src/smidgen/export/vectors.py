"""Generated int8 C with kernels for WebAssembly's SIMD128 in place of those that they outdo."""

import re
from importlib import resources

from smidgen.export.c.text import template

_OUTDONE = ("convolve", "filter", "pool")


def vectorised(text: str) -> str:
    """Return C that computes the same integers, several at once; float32 C needs no other text.

    Args:
        text: As generated, in full.
    """
    own = resources.files("smidgen.export") / "templates"
    plain = template("int8_arithmetic.c")
    if plain not in text:
        return text
    text = text.replace(plain, plain + (own / "wasm_simd_arithmetic.c").read_text())
    for part in _OUTDONE:
        if f" {part}(const layer *own" in text:
            plain = template(f"int8_{part}.c")
            assert plain in text
            text = text.replace(plain, (own / f"wasm_simd_{part}.c").read_text())
    defines = f"#define WIDEST {_widest(text)}\n#define LARGEST_WINDOW {_window(text)}\n"
    return f"#include <wasm_simd128.h>\n{defines}{text}"


def _window(text: str) -> int:
    """Return the bytes of the largest window of a dense layer, in whole words."""
    slotted = int("#define SLOTTED 1" in text)
    found = [line.split(", ") for line in re.findall(r"\{CONVOLVE, (.*)\}", text)]
    sizes = [int(row[3]) ** 2 * int(row[7 + slotted]) for row in found]
    return max(((size + 3) // 4 * 4 for size in sizes), default=4)


def _widest(text: str) -> int:
    """Return the largest shift of a second rounding, which a multiplier's low bits hold."""
    units = re.search(r"uint32_t units\[\] = \{([^}]*)\}", text)
    numbers = [int(number) for number in units[1].split(",")] if units else []
    return max((number >> 1 & 31 for number in numbers[1::2]), default=0)
