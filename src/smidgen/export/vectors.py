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
    text = text.replace(plain, plain + (own / "wasm_simd_arithmetic.c").read_text(encoding="utf-8"))
    for part in _OUTDONE:
        if f" {part}(const layer *own" in text:
            plain = template(f"int8_{part}.c")
            assert plain in text
            text = text.replace(plain, (own / f"wasm_simd_{part}.c").read_text(encoding="utf-8"))
    windows = [(size * channels + 3) // 4 * 4 for size, channels in _windows(text, "CONVOLVE")]
    filters = [size for size, _ in _windows(text, "FILTER")]
    defines = f"#define WIDEST {_widest(text)}\n#define LARGEST_WINDOW {max(windows, default=4)}\n"
    defines += f"#define LARGEST_FILTER {max(filters, default=1)}\n"
    return f"#include <wasm_simd128.h>\n{defines}{text}"


def _windows(text: str, kind: str) -> list[tuple[int, int]]:
    """Return the pixels of every window of a kind of layer, and their channels."""
    slotted, oblong = (int(f"#define {name} 1" in text) for name in ("SLOTTED", "OBLONG"))
    lines = [line.split(", ") for line in re.findall(rf"\{{{kind}, (.*)\}}", text)]
    rows = [[int(number) for number in line] for line in lines]
    across = 4 + slotted if oblong else 3
    return [(row[3] * row[across], row[7 + slotted + 2 * oblong]) for row in rows]


def _widest(text: str) -> int:
    """Return the largest shift of a second rounding, which a multiplier's low bits hold."""
    units = re.search(r"uint32_t units\[\] = \{([^}]*)\}", text)
    numbers = [int(number) for number in units[1].split(",")] if units else []
    return max((number >> 1 & 31 for number in numbers[1::2]), default=0)
