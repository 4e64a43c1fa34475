"""The compiled operations built for another system and called, from here, under an emulator."""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE
from torch import Tensor, UntypedStorage

ROOT = Path(__file__).parents[2]
BUILD = """
import pathlib, platform
platform.machine = lambda: "{machine}"
platform.system = lambda: "{system}"
text = pathlib.Path("setup.py").read_text()
assert '"-O3"' in text
exec(compile(text.replace('"-O3"', '"{level}"'), "setup.py", "exec"))
"""


@dataclass(frozen=True, slots=True)
class System:
    """What compiled operations run on.

    Args:
        system: As ``platform.system()`` has it there.
        machine: As ``platform.machine()`` has it there.
        compiler: Of this machine, for that one.
        emulator: The command that a program for it is appended to.
        link: What the serving program is linked with.
        in_order: Whether numbers lie among the integers, as on Windows; otherwise apart.
        level: How far compilers go; -O3 is what is shipped.
    """

    system: str
    machine: str
    compiler: str
    emulator: tuple[str, ...]
    link: tuple[str, ...]
    in_order: bool = False
    level: str = "-O3"

    @property
    def missing(self) -> list[str]:
        """Programs that this machine lacks."""
        return [tool for tool in (self.compiler, self.emulator[0]) if shutil.which(tool) is None]


ARM = System(
    "Linux",
    "aarch64",
    "aarch64-linux-gnu-gcc",
    ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
    ("-ldl",),
    # at -O3 it takes a compiler as long as all tests of it: that is for the long ones
    level="-O3" if os.environ.get("HYPOTHESIS_PROFILE") == "long" else "-O1",
)
WINDOWS = System("Windows", "AMD64", "x86_64-w64-mingw32-gcc", ("wine",), ("-static",), True)


def built(temporary: Path, system: System) -> Path:
    """Return the library for a system, made by the first process of the tests that needs it.

    Args:
        temporary: The folder that pytest keeps for this process; others' lie beside it.
        system: Where the library is to run.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (temporary if alone else temporary.parent) / system.machine
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        library = folder / "smidgen/kernels/native.so"
        return library if library.exists() else _build(folder, system)


def _build(folder: Path, system: System) -> Path:
    """Run setup.py as on that system, every warning an error, and return the library.

    Beside it lies the program that serves it.
    """
    environment = os.environ | {
        "CC": system.compiler,
        "LDSHARED": f"{system.compiler} -shared",
        "CFLAGS": "-Wall -Wextra -Werror",
    }
    to = ["--build-lib", str(folder), "--build-temp", str(folder)]
    script = BUILD.format(machine=system.machine, system=system.system, level=system.level)
    command = [sys.executable, "-c", script, "build_ext", *to]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    library = folder / "smidgen/kernels/native.so"
    assert library.exists(), done.stderr  # setup.py goes on without it
    source, server = Path(__file__).with_name("serve.c"), library.with_name("serve.exe")
    made = [system.compiler, "-O1", str(source), "-o", str(server), *system.link]
    subprocess.run(made, check=True)
    return library


class Elsewhere:
    """Stands for the library where :mod:`smidgen.kernels.library` expects what ctypes loads."""

    def __init__(self, library: Path, system: System, storages: dict[int, UntypedStorage]) -> None:
        """Start the emulator.

        Args:
            system: What it is for.
            library: From :func:`build`.
            storages: By address, all memory that calls may point into, beside their own arrays.
        """
        self._process = subprocess.Popen(
            [*system.emulator, str(library.with_name("serve.exe")), str(library)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"WINEDEBUG": "-all", "WINEPREFIX": str(library.with_name("wine"))},
        )
        self._in_order = system.in_order
        self._storages = storages
        (self._base,) = struct.unpack("<q", self._read(8))

    def __getattr__(self, name: str) -> "Function":
        """Find a function, as ctypes does."""
        return Function(self, name)

    def call(self, name: str, kinds: Sequence[Any], arguments: Sequence[Any]) -> int:
        """Copy memory there, call, copy memory back, and return the result."""
        memory = Memory(self._base, self._storages)
        words, numbers = list[int](), list[bytes]()
        if self._in_order:  # whether the fourth is a number, which then has a register of its own
            fourth = kinds[3:4] in ([ctypes.c_double], [ctypes.c_float])
            numbers.append(struct.pack("<d", fourth))
        for kind, argument in zip(kinds, arguments, strict=True):
            value = getattr(argument, "value", argument)  # of a cell, such as c_void_p
            if kind in (ctypes.c_double, ctypes.c_float):
                held = bytes(kind(value)).ljust(8, b"\0")
                if self._in_order:
                    words.append(*struct.unpack("<q", held))
                else:
                    numbers.append(held)
            elif isinstance(value, ctypes.Array):
                words.append(memory.put_array(value))
            else:
                words.append(memory.address(int(value or 0)))
        content = bytes(memory.content)
        words += [0] * (13 - len(words))
        head = struct.pack("<64sq13q", name.encode(), len(content), *words)
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(head + b"".join(numbers).ljust(16, b"\0") + content)
        pipe.flush()
        (result,) = struct.unpack("<q", self._read(8))
        memory.take_back(self._read(len(content)))
        return result

    def close(self) -> None:
        """End the emulator, which must have come through all calls."""
        self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        found = self._process.stdout.read(count)
        assert len(found) == count, f"the emulator ended with {self._process.wait(PATIENCE)}"
        return found


class Function:
    """A function of the library."""

    def __init__(self, there: Elsewhere, name: str) -> None:
        """Take it for one without arguments until told otherwise."""
        self._there, self._name = there, name
        self.argtypes: Sequence[Any] = ()
        self.restype: Any = ctypes.c_int

    def __call__(self, *arguments: Any) -> int | None:
        """Call it."""
        result = self._there.call(self._name, self.argtypes, arguments)
        return None if self.restype is None else result


class Memory:
    """What a call needs of this process's memory, one piece after the other from a new base."""

    def __init__(self, base: int, storages: dict[int, UntypedStorage]) -> None:
        """Begin with nothing."""
        self.content = bytearray()
        self._base, self._storages = base, storages
        self._places: dict[int, int] = {}  # where storages begin here, and in the content

    def address(self, word: int) -> int:
        """Return where an address of this process will be; what is none stays as it is."""
        for start, storage in self._storages.items():
            if start <= word < start + storage.nbytes():
                if start not in self._places:
                    self._places[start] = self._put(ctypes.string_at(start, storage.nbytes()))
                return self._base + self._places[start] + word - start
        return word

    def put_array(self, array: "ctypes.Array[Any]") -> int:
        """Copy an array of numbers, of addresses or of both."""
        content = bytes(array)
        if ctypes.sizeof(array) == 8 * len(array):
            words = struct.unpack(f"<{len(array)}q", content)
            content = struct.pack(f"<{len(array)}q", *map(self.address, words))
        return self._base + self._put(content)

    def take_back(self, content: bytes) -> None:
        """Copy all storages back."""
        for start, place in self._places.items():
            ctypes.memmove(start, content[place:], self._storages[start].nbytes())

    def _put(self, content: bytes) -> int:
        place = len(self.content)
        self.content += content.ljust(len(content) + -len(content) % 64, b"\0")
        return place


def remember(storages: dict[int, UntypedStorage], tensor: Tensor) -> int:
    """Return a tensor's address, and keep its memory under the address where that begins."""
    storage = tensor.untyped_storage()
    storages[storage.data_ptr()] = storage
    return storage.data_ptr() + int(tensor.storage_offset()) * tensor.element_size()
