"""Compile the C operations of smidgen.kernels; without a compiler torch serves alone."""

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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

# Name, flags, vector lanes, and whether matrix products take pairs of bfloat16.
X86 = [("avx2", ["-mavx2", "-mfma"], 8, 0), ("avx512", AVX512, 16, 0)]
X86_BF16 = ("avx512bf16", [*AVX512, "-mavx512bf16"], 16, 1)


class BuildKernels(build_ext):
    """Build one library that holds the operations for each instruction set and data type."""

    def get_ext_filename(self, fullname: str) -> str:
        """Name the library without Python's ABI tag: it knows nothing of Python."""
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Compile blocks.c and batch.c for every instruction set, and link."""
        folder = Path(self.build_temp) / "kernels"
        variants = [("portable", [], 4, 0)]
        if platform.machine().lower() in {"x86_64", "amd64"}:
            variants += X86
        objects = self._compile("processor.c", folder, [], [])
        for name, flags, lanes, paired in variants:
            objects += self._variant(folder, name, flags, lanes, paired, bfloat16=0)
            objects += self._variant(folder, name, flags, lanes, paired, bfloat16=1)
        if len(variants) > 1:
            objects += self._variant(folder, *X86_BF16, bfloat16=1)
        target = Path(self.get_ext_fullpath(ext.name))
        self.compiler.link_shared_object(objects, str(target), libraries=["m"])

    def _variant(
        self, folder: Path, name: str, flags: list[str], lanes: int, paired: int, bfloat16: int
    ) -> list[str]:
        suffix = f"{name}_{'bfloat16' if bfloat16 else 'float32'}"
        macros = [
            ("LANES", str(lanes)),
            ("PAIRED", str(paired)),
            ("BFLOAT16", str(bfloat16)),
            ("SUFFIX", suffix),
        ]
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
            extra_postargs=[*FLAGS, *flags],
            depends=depends,
        )


setup(
    ext_modules=[Extension("smidgen.kernels.native", [str(FOLDER / "blocks.c")], optional=True)],
    cmdclass={"build_ext": BuildKernels},
)
