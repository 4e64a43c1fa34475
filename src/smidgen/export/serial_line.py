"""A net on a board, asked over a serial line: frames, and one question at a time."""

import errno
import importlib
import os
import struct
import time
import zlib
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from smidgen.escape import terminal
from smidgen.export.c.host import KINDS
from smidgen.extras import needed

MAGIC = b"\xa5SG1"  # a frame: this, a letter, a length, as many bytes, and the CRC-32 of all three
BAUD = 115_200  # of the sketch
PATIENCE = 10.0  # seconds that a board may take to answer, besides what the line takes
_HEAD, _NUMBER = struct.Struct("<cI"), struct.Struct("<I")
_HELLO = struct.Struct("<12sIIc")
_KINDS = {b"i": "int32_t", b"f": "float"}
_ANSWER = 8  # bytes before its logits: the number of the question, and microseconds
_NO_CLOCK = 2**32 - 1
_NAME = 100  # bytes of a net's, at most
_FRAME = len(MAGIC) + _HEAD.size + _NUMBER.size  # bytes of one, besides what it holds
_GREETING = 2 * _FRAME + _HELLO.size + _NAME  # bytes of a hello and its answer, at most
_GAP = 1.5  # seconds without a byte after which a frame that began has broken off
_LOOK = 0.05  # seconds between two looks at the clock
_TRIES = 3  # of one question, since lines lose bytes
_BITS = 10  # of a byte on the line
_AGAIN = 0.7  # seconds until a board that is starting is asked again, besides what the line takes
_HELD = "another program has it open: close it, as a monitor, or wait until it ends"
_UNOPENED = {  # pyserial locks a port, and a lock that is held says "temporarily unavailable"
    errno.EAGAIN: _HELD,
    errno.EBUSY: _HELD,
    errno.EACCES: "permission denied: you must be of its group, mostly dialout, and log in anew",
    errno.ENOTTY: "it is no serial line",
}
_WINDOWS_HELD = "PermissionError(13,"  # as pyserial quotes what Windows says of a port in use
_WHY = {
    b"c": "its checksum is another",
    b"l": "its length is another",
    b"t": "it broke off",
    b"k": "it is of another kind",
}


class Line(Protocol):
    """What carries bytes; :mod:`serial` has it for ports of every system."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer or none after a short while."""
        ...

    def write(self, data: bytes) -> Any:
        """Send bytes."""
        ...


class Net(NamedTuple):
    """What a board says that it runs; ``made_of`` is of its C, tables and name."""

    made_of: str
    pixels: int
    classes: int
    kind: str
    name: str


class Reply(NamedTuple):
    """What a board makes of one picture: its logits, and in how many microseconds, if it knows."""

    logits: NDArray[Any]
    microseconds: int | None


class _DamagedError(Exception):
    """A frame did not come as it was sent; the message says how."""


class Board:
    """A board that runs a package's ``NAME_serve``.

    Args:
        line: To it.
        port: As a person calls the line, for errors.
        baud: Bits a second, from which follows how long a picture travels.
        patience: Seconds that an answer may take besides.
    """

    def __init__(self, line: Line, port: str, baud: int = BAUD, patience: float = PATIENCE) -> None:
        self.line, self.port, self.baud, self.patience = line, terminal(port), baud, patience
        self.again = 0  # how many questions were sent again, as they or their answers were damaged
        self._held, self._looked = bytearray(), 0
        self._most = _HELLO.size + _NAME  # bytes that a frame may hold: none fills the memory

    def hello(self) -> Net:
        """Ask which net the board runs; one that starts up as its port is opened is waited for.

        Raises:
            ValueError: If nothing answers, or nothing that is understood.
        """
        travel, heard = _travel(_GREETING, self.baud), ""
        end = time.monotonic() + self.patience + travel
        while time.monotonic() < end:
            self._send(b"H", b"")
            try:
                content = self._answer(b"h", min(end, time.monotonic() + _AGAIN + travel))
            except _DamagedError as error:
                heard = str(error)
                continue
            if content is not None:
                return self._net(content)
        if heard or self._looked:
            got = f"a damaged one ({heard})" if heard else f"{self._looked:,} bytes that are none"
            raise ValueError(
                f"{self.port} must answer with a frame, got {got}: upload the sketch `serve` of the"
                f" package, and give its --baud (here {self.baud})"
            )
        raise ValueError(
            f"{self.port} must answer within {self.patience + travel:.3g} s, got silence: upload"
            " the sketch `serve` of the package, close what else reads the line, check --baud"
            f" ({self.baud})"
        )

    def ask(self, number: int, pixels: bytes, net: Net) -> Reply:
        """Return what the board makes of a picture.

        Args:
            number: Of the question, which the answer repeats.
            pixels: Row by row, the channels of a pixel together.
            net: That it runs.

        Raises:
            ValueError: If it is silent, gone, or three answers in turn are damaged.
        """
        travel = _travel(len(pixels) + 4 * net.classes, self.baud)
        self._most, why = max(self._most, _ANSWER + 4 * net.classes), ""
        for attempt in range(_TRIES):
            self.again += attempt > 0
            self._held.clear()  # what came late belongs to no question any more
            self._send(b"P", _NUMBER.pack(number) + pixels)
            end = time.monotonic() + self.patience + travel
            try:
                content = self._answer(b"p", end, begins=_NUMBER.pack(number))
                if content is None:
                    raise ValueError(
                        f"{self.port} must answer within {self.patience + travel:.3g} s, got"
                        f" silence after {number} pictures: was it reset, or does its net hang?"
                    )
                return self._reply(content, net)
            except _DamagedError as error:
                why = str(error)
        raise ValueError(
            f"{self.port} must answer picture {number + 1} with a whole frame, got {_TRIES} damaged"
            f" ones in turn ({why}): check --baud ({self.baud}) and the cable"
        )

    def _net(self, content: bytes) -> Net:
        made_of, pixels, classes, kind = _HELLO.unpack_from(content.ljust(_HELLO.size, b"\0"))
        name = content[_HELLO.size :].decode("ascii", "replace")
        if kind not in _KINDS:
            raise ValueError(
                f"{self.port} must say what its net computes in, got {kind!r}: another smidgen"
                " wrote its firmware, export and upload it again"
            )
        made_of = made_of.decode("ascii", "replace")
        return Net(terminal(made_of), pixels, classes, _KINDS[kind], terminal(name))

    def _reply(self, content: bytes, net: Net) -> Reply:
        if len(content) != _ANSWER + 4 * net.classes:
            raise _DamagedError(f"it holds {len(content)} bytes")
        took = _NUMBER.unpack_from(content, 4)[0]
        kind = np.dtype(KINDS[net.kind]).newbyteorder("<")
        logits = np.frombuffer(content, kind, offset=_ANSWER).astype(KINDS[net.kind])
        return Reply(logits, None if took == _NO_CLOCK else took)

    def _send(self, letter: bytes, content: bytes) -> None:
        framed = frame(letter, content)
        with self._connected():
            self.line.write(framed)

    @contextmanager
    def _connected(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise ValueError(
                f"{self.port} must stay connected, got an error"
                f" ({terminal(error.strerror or str(error))}): plug the board in and begin again"
            ) from None

    def _answer(self, letter: bytes, end: float, begins: bytes = b"") -> bytes | None:
        """Return what the next frame of a kind holds; ``None`` if it has not come by ``end``.

        Raises:
            _DamagedError: If it came damaged, broke off, or the question did, which boards say.
        """
        heard = time.monotonic()
        while True:
            found = self._next()
            if found is None:
                more = self._more()
                now = time.monotonic()
                heard = now if more else heard
                if self._held.startswith(MAGIC) and now - heard > _GAP:
                    del self._held[: len(MAGIC)]  # or it would swallow the next answer
                    raise _DamagedError("it broke off")
                if now > end:
                    return None
                continue
            kind, content = found
            if kind == letter and content.startswith(begins):
                return content
            if kind == b"e":
                raise _DamagedError(f"of the question the board says that {_why(content)}")

    def _more(self) -> bool:
        with self._connected():
            got = self.line.read(max(1, min(4096, getattr(self.line, "in_waiting", 1))))
        self._held += got
        self._looked += len(got)
        return bool(got)

    def _next(self) -> tuple[bytes, bytes] | None:
        """Take a whole frame out of what has come, and what is of none before it."""
        held = self._held
        begin = held.find(MAGIC)
        del held[: max(0, len(held) - len(MAGIC) + 1) if begin < 0 else begin]
        start = len(MAGIC) + _HEAD.size
        if len(held) < start or begin < 0:
            return None
        letter, length = _HEAD.unpack_from(held, len(MAGIC))
        if length > self._most:
            del held[: len(MAGIC)]
            raise _DamagedError(f"it says that it holds {length:,} bytes")
        if len(held) < start + length + _NUMBER.size:
            return None
        content, rest = bytes(held[start : start + length]), start + length
        told = _NUMBER.unpack_from(held, rest)[0]
        right = told == zlib.crc32(held[len(MAGIC) : rest])
        del held[: rest + _NUMBER.size if right else len(MAGIC)]
        if not right:
            raise _DamagedError("its checksum is another")
        return letter, content


def frame(letter: bytes, content: bytes) -> bytes:
    """Return a frame as it travels."""
    body = _HEAD.pack(letter, len(content)) + content
    return MAGIC + body + _NUMBER.pack(zlib.crc32(body))


def require_serial() -> Any:
    """Return the package that opens serial ports.

    Raises:
        ValueError: If it is not there, naming what installs it.
    """
    try:
        importlib.import_module("serial.tools.list_ports")  # which another package `serial` lacks
        return importlib.import_module("serial")
    except ImportError as error:
        raise needed("a serial line", "pyserial", "serial", error) from None


@contextmanager
def opened(
    port: str, baud: int, patience: float = PATIENCE, longest: int = 4096
) -> Generator[Board]:
    """Open a port, and close it whatever happens.

    Args:
        port: As the system calls it, ``/dev/ttyACM0`` or ``COM3``; or an address that pyserial
            knows, as ``socket://localhost:4444`` of an emulator.
        baud: Bits a second.
        patience: See :class:`Board`.
        longest: Bytes of a question, at most: how long sending one may take follows.

    Raises:
        ValueError: If it cannot be opened; the ports that are there are named.
    """
    serial = require_serial()
    try:
        line = serial.serial_for_url(
            port,
            baud,
            timeout=_LOOK,
            write_timeout=patience + _travel(longest, baud),
            exclusive=True,
        )
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            "--port must be a serial line that can be opened, got"
            f" {terminal(port) or repr(port)} ({_unopened(error)}); {_ports()}"
        ) from None
    with closing(line):
        yield Board(line, port, baud, patience)


def _unopened(error: Exception) -> str:
    """Return why a port cannot be opened, in words that say what to do where that is known."""
    # pyserial passes the number of some errors on in its words alone
    inner = getattr(error.__context__, "args", None) or (None,)
    number = getattr(error, "errno", None) or inner[0]
    if _WINDOWS_HELD in str(error):
        number = errno.EBUSY
    if not isinstance(number, int):
        return terminal(str(error))
    return _UNOPENED.get(number) or os.strerror(number)


def _travel(count: int, baud: int) -> float:
    """Return the seconds that bytes take on a line."""
    return _BITS * count / baud


def _ports() -> str:
    ports = importlib.import_module("serial.tools.list_ports").comports()
    found = sorted(terminal(one.device) for one in ports)
    return f"there are {', '.join(found)}" if found else "no serial port is there: plug a board in"


def _why(content: bytes) -> str:
    return _WHY.get(content[:1], "it is not understood")
