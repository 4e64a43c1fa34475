"""Compile the C operations of smidgen.kernels; without a compiler torch serves alone."""

import os
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

FOLDER = Path("src/smidgen/kernels/csrc")
FLAGS = [
    "-O3",
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-ffp-contract=fast",
    "-fvisibility=default",
    "-fPIC",
]
AVX512 = [
    "-mavx512f",
    "-mavx512bw",
    "-mavx512dq",
    "-mavx512vl",
    "-mavx2",
    "-mfma",
    "-mprefer-vector-width=512",
]

BF16, AMX = [*AVX512, "-mavx512bf16"], ["-mamx-tile", "-mamx-bf16"]


@dataclass(frozen=True)
class Variant:
    """One instruction set, with the macros of csrc/vector.h."""

    name: str
    flags: Sequence[str] = ()
    lanes: int = 4
    paired: int = 0
    amx: int = 0
    types: Sequence[str] = ("float32", "bfloat16")


PORTABLE = Variant("portable")
# On 64-bit Windows GCC keeps vectors on a stack that is aligned to 16 bytes alone (bug 54412), so
# that no instruction may ask for more; and what it needs of its own is linked in.
ON_WINDOWS = platform.system() == "Windows"
WINDOWS = ["-Wa,-muse-unaligned-vector-move"] if ON_WINDOWS else []
X86 = [
    Variant("avx2", ["-mavx2", "-mfma"], 8),
    Variant("avx512", AVX512, 16),
    Variant("avx512bf16", BF16, 16, paired=1, types=["bfloat16"]),
    Variant("avx512amx", [*BF16, *AMX], 16, paired=1, amx=1, types=["bfloat16"]),
]
# What a compiler must take for a variant; older ones lack the newer instructions.
PROBE = """#include <immintrin.h>
int main(void) {
#if defined(__AVX512BF16__)
    __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_setzero_ps(), _mm512_setzero_ps());
    (void)pairs;
#endif
#if defined(__AMX_BF16__)
    __asm__ volatile("tdpbf16ps %tmm2, %tmm1, %tmm0");
#endif
    return 0;
}
"""


class BuildKernels(build_ext):
    """Build one library that holds the operations for each instruction set and data type."""

    def finalize_options(self) -> None:
        """Take GCC on Windows, too: the operations are written in its C."""
        if sys.platform == "win32" and self.compiler is None:
            self.compiler = "mingw32"
        super().finalize_options()

    def run(self) -> None:
        """Build, or go on without where GCC for Windows is missing, which is asked for its name."""
        if self.inplace or self.editable_mode:  # else what does not compile runs as it was before
            (FOLDER.parent / "native.so").unlink(missing_ok=True)
        try:
            super().run()
        except FileNotFoundError as error:
            print(f"left out, as there is no compiler: {error}")

    def get_ext_filename(self, fullname: str) -> str:
        """Name the library without Python's ABI tag: it knows nothing of Python."""
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Compile blocks.c and batch.c for every instruction set the compiler knows, and link.

        ``SMIDGEN_COMPILED`` names a library that was made of these sources, as tools/wheel.sh does.
        """
        target = Path(self.get_ext_fullpath(ext.name))
        if compiled := os.environ.get("SMIDGEN_COMPILED"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(compiled, target)
            return
        folder = Path(self.build_temp) / "kernels"
        options = ["-static"] if ON_WINDOWS else ["-pthread"]
        objects = self._compile("processor.c", folder, [], [])
        objects += self._compile("memory.c", folder, [], [])
        on_x86 = platform.machine().lower() in {"x86_64", "amd64"}
        known = [PORTABLE, *(v for v in (X86 if on_x86 else []) if self._knows(v, folder))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a compiler
            made = [
                pool.submit(self._variant, folder, variant, dtype)
                for variant in known
                for dtype in variant.types
            ]
        objects += [path for paths in made for path in paths.result()]
        self.compiler.link_shared_object(
            objects, str(target), libraries=["m"], extra_postargs=options
        )

    def _knows(self, variant: Variant, folder: Path) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / f"probe_{variant.name}.c"
        source.write_text(PROBE)
        try:
            self.compiler.compile([str(source)], str(folder), extra_postargs=list(variant.flags))
        except CompileError:
            print(f"left out, as the compiler does not know it: {variant.name}")
            return False
        return True

    def _variant(self, folder: Path, variant: Variant, dtype: str) -> list[str]:
        suffix = f"{variant.name}_{dtype}"
        macros = [
            ("LANES", str(variant.lanes)),
            ("PAIRED", str(variant.paired)),
            ("AMX", str(variant.amx)),
            ("BFLOAT16", str(int(dtype == "bfloat16"))),
            ("SUFFIX", suffix),
        ]
        flags = [*variant.flags]
        plain = [*flags, "-ffp-contract=off"]  # augmentation rounds as torch does
        return [
            *self._compile("blocks.c", folder / suffix, macros, flags),
            *self._compile("batch.c", folder / suffix, macros, plain),
        ]

    def _compile(
        self, source: str, folder: Path, macros: list[tuple[str, str]], flags: list[str]
    ) -> list[str]:
        depends = [str(path) for path in FOLDER.glob("*.h")]
        return self.compiler.compile(
            [str(FOLDER / source)],
            str(folder),
            macros,
            extra_postargs=[*FLAGS, *WINDOWS, *flags],
            depends=depends,
        )


class OneWheelAPlatform(bdist_wheel):
    """Tag the wheel for every Python: the library in it knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return py3-none and the platform's tag."""
        return "py3", "none", super().get_tag()[2]


def description(readme: str, address: str) -> str:
    """Return the README as an index shows it, where a relative link would lead nowhere.

    Links lead below ``address``, where the files of the sources are looked at; without one their
    text alone stays. Pictures go.
    """
    local = r"\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)"
    without_pictures = re.sub(rf"!{local}\n*", "", readme)
    return re.sub(local, rf"[\1]({address}/\2)" if address else r"\1", without_pictures)


PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]

setup(
    long_description=description(
        Path("README.md").read_text(encoding="utf-8"), PROJECT.get("urls", {}).get("Source", "")
    ),
    long_description_content_type="text/markdown",
    ext_modules=[Extension("smidgen.kernels.native", [str(FOLDER / "blocks.c")], optional=True)],
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": OneWheelAPlatform},
)
