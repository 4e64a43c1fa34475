"""A board is asked over a line: what comes damaged is asked for again, what cannot be is told."""

import errno
import os
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from smidgen.export import serial_line as module
from smidgen.export.serial_line import MAGIC, Board, Net, frame, opened

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo terminals", allow_module_level=True)
NET = Net("0123456789ab", 4, 3, "int32_t", "cats")
HELLO = struct.pack("<12sIIc", NET.made_of.encode(), NET.pixels, NET.classes, b"i") + b"cats"
QUESTION = 4 + 1 + 4 + 4 + 4 + 4  # bytes: magic, letter, length, number, pixels, checksum
Answering: TypeAlias = Callable[[bytes, bytes, int], bytes]  # letter, content, how often asked


def always(answer: bytes) -> Answering:
    """Return a board that answers everything alike."""
    return lambda letter, content, asked: answer


def right(letter: bytes, content: bytes, asked: int) -> bytes:
    """Answer as a board does whose logits are the sum of the pixels, a negative and a large one."""
    if letter == b"H":
        return frame(b"h", HELLO)
    logits = struct.pack("<iii", sum(content[4:]), -2, 2**30)
    return frame(b"p", content[:4] + struct.pack("<I", 1234) + logits)


def flipped(place: int) -> Callable[[bytes], bytes]:
    return lambda bytes_: bytes_[:place] + bytes([bytes_[place] ^ 4]) + bytes_[place + 1 :]


def of_pictures(change: Callable[[bytes], bytes], times: int = 1000) -> Answering:
    """Return a board whose first answers about pictures are changed so many times."""
    left = [times]

    def answering(letter: bytes, content: bytes, asked: int) -> bytes:
        answer = right(letter, content, asked)
        if letter == b"P" and left[0]:
            left[0] -= 1
            return change(answer)
        return answer

    return answering


class Peer:
    """A line to a board that a function is: what it would answer is there at once."""

    def __init__(self, answering: Answering) -> None:
        self.answering, self.out, self.sent = answering, b"", list[bytes]()

    @property
    def in_waiting(self) -> int:
        return len(self.out)

    def write(self, data: bytes) -> None:
        assert data[:4] == MAGIC
        letter, length = struct.unpack_from("<cI", data, 4)
        assert len(data) == 4 + 5 + length + 4
        assert struct.unpack("<I", data[-4:])[0] == zlib.crc32(data[4:-4])
        self.sent.append(data)
        self.out += self.answering(letter, data[9:-4], len(self.sent))

    def read(self, size: int) -> bytes:
        if not self.out:
            time.sleep(0.005)
        some, self.out = self.out[:size], self.out[size:]
        return some


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(module, "_GAP", 0.03)
    monkeypatch.setattr(module, "_AGAIN", 0.02)


def asked(answering: Answering, patience: float = 0.15) -> tuple[Board, Any]:
    board = Board(Peer(answering), "/dev/ttyX", patience=patience)
    assert board.hello() == NET
    return board, board.ask(7, bytes([1, 2, 3, 4]), NET)


def test_logits_come_back_as_they_are_with_the_microseconds() -> None:
    board, reply = asked(right)
    assert reply.logits.tolist() == [10, -2, 2**30]
    assert (reply.logits.dtype, reply.microseconds, board.again) == (np.int32, 1234, 0)


def test_floats_come_back_to_the_bit_and_a_board_without_a_clock_is_known() -> None:
    numbers = np.array([0.1, -1e-30, np.nan], np.float32)

    def answering(letter: bytes, content: bytes, asked: int) -> bytes:
        if letter == b"H":
            return frame(b"h", HELLO[:20] + b"f" + b"cats")
        return frame(b"p", content[:4] + b"\xff" * 4 + numbers.astype("<f4").tobytes())

    board = Board(Peer(answering), "/dev/ttyX", patience=0.2)
    net = board.hello()
    assert net.kind == "float"
    reply = board.ask(0, bytes(4), net)
    assert reply.logits.tobytes() == numbers.tobytes()
    assert reply.microseconds is None


BESIDE: dict[str, Callable[[bytes], bytes]] = {
    "garbage before it": lambda answer: b"Booting...\xa5\xa5S\r\n" + answer,
    "half a beginning before it": lambda answer: MAGIC[:2] + answer,
    "of an earlier one": lambda answer: frame(b"p", b"\1\0\0\0" + bytes(16)) + answer,
    "a late greeting": lambda answer: frame(b"h", HELLO) + answer,
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_is_no_answer_is_passed_over(kind: str) -> None:
    board, reply = asked(of_pictures(BESIDE[kind]))
    assert (reply.logits.tolist()[0], board.again) == (10, 0)


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    **{f"bit {place}": (flipped(place), "its checksum is another") for place in (4, 9, 20, 28)},
    "a checksum": (flipped(-1 + 4 + 5 + 20 + 4), "its checksum is another"),
    "half": (lambda answer: answer[:15], "it broke off"),
    "longer than any": (lambda answer: answer[:5] + b"\xff" * 4 + answer[9:], "it says that it ho"),
    "of other classes": (lambda answer: frame(b"p", answer[9:25]), "it holds 16 bytes"),
    "refused": (lambda _: frame(b"e", b"c"), "of the question the board says that its checksum is"),
    "strangely": (lambda _: frame(b"e", b"\x1b[2J"), "the board says that it is not understood"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_answer_is_asked_for_again_and_a_third_in_turn_is_told(kind: str) -> None:
    change, said = DAMAGED[kind]
    board, reply = asked(of_pictures(change, times=2))
    assert (reply.logits.tolist()[0], board.again) == (10, 2)
    with pytest.raises(ValueError, match="got 3 damaged ones in turn") as refused:
        asked(of_pictures(change))
    assert said in str(refused.value)
    assert "/dev/ttyX must answer picture 8 with a whole frame" in str(refused.value)


def test_silence_and_what_is_no_board_are_told_within_their_time() -> None:
    begin = time.monotonic()
    with pytest.raises(ValueError, match=r"within 0\.163 s, got silence: upload the sketch `se"):
        asked(always(b""))
    with pytest.raises(ValueError, match=r"with a frame, got [0-9,]+ bytes that are none: upload"):
        asked(always(b"digits: 7\r\n"))
    with pytest.raises(ValueError, match="got silence after 7 pictures"):
        asked(of_pictures(lambda _: b""))
    with pytest.raises(ValueError, match="got silence after 7 pictures"):
        asked(of_pictures(lambda _: b"\xa5" * 10**6))  # without end, and not kept
    assert time.monotonic() - begin < 20


def test_a_board_that_is_still_starting_is_waited_for() -> None:
    greeted = list[int]()

    def answering(letter: bytes, content: bytes, asked: int) -> bytes:
        greeted.append(asked)
        return right(letter, content, asked) if asked > 3 else b""

    asked(answering, patience=5)
    assert greeted == [1, 2, 3, 4, 5]


class SlowPeer(Peer):
    """A line whose bytes take as long as its baud says."""

    baud, since = 4_800, 0.0

    def write(self, data: bytes) -> None:
        super().write(data)
        self.since = self.since or time.monotonic()

    def read(self, size: int) -> bytes:
        time.sleep(0.002)
        came = int((time.monotonic() - self.since) * self.baud / 10)
        self.since += 10 * came / self.baud
        return super().read(min(size, came))


def test_a_slow_line_is_given_the_time_that_a_greeting_travels() -> None:
    peer = SlowPeer(right)  # its answer travels for 0.08 s, four times _AGAIN
    assert Board(peer, "p", baud=peer.baud, patience=0.05).hello() == NET
    assert len(peer.sent) == 1


def test_a_greeting_that_comes_in_halves_is_kept_over_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GAP", 5)
    whole = frame(b"h", HELLO)
    halves = {1: whole[:20], 2: whole[20:]}
    board = Board(Peer(lambda _letter, _content, asked: halves.get(asked, b"")), "p", patience=0.5)
    assert board.hello() == NET


def test_a_greeting_that_broke_off_swallows_no_other() -> None:
    whole = frame(b"h", HELLO)
    peer = Peer(lambda _letter, _content, asked: whole[:-1] if asked == 1 else whole)
    assert Board(peer, "p", baud=10_000, patience=1).hello() == NET
    assert len(peer.sent) == 2


def test_no_byte_of_a_greeting_reaches_a_terminal_or_is_taken_for_a_kind() -> None:
    hello = struct.pack("<12sIIc", b"\x1b[31mabcdefg", 4, 3, b"i") + b"\x1b]0;x\x07" * 15
    net = Board(Peer(always(frame(b"h", hello))), "p", patience=0.1).hello()
    assert "\x1b" not in net.name + net.made_of
    longer = Peer(always(frame(b"h", hello + bytes(100))))
    with pytest.raises(
        ValueError, match=r"must answer with a frame, got a damaged one \(it says that it holds 211"
    ):
        Board(longer, "p", patience=0.1).hello()
    with pytest.raises(ValueError, match="must say what its net computes in, got b'x'"):
        Board(Peer(always(frame(b"h", HELLO[:20] + b"x"))), "p", patience=0.1).hello()
    with pytest.raises(ValueError, match=r"must say what its net computes in, got b'\\x00'"):
        Board(Peer(always(frame(b"h", b""))), "p", patience=0.1).hello()


@contextmanager
def terminal(answering: Answering, leave_after: int = 1000) -> Generator[str]:
    """Serve as a board behind a pseudo terminal; yield the port's name.

    Args:
        answering: As the board does.
        leave_after: Questions, after which the board is unplugged.
    """
    import pty
    import tty

    board, port = pty.openpty()
    tty.setraw(port)
    ended = threading.Event()

    def serve() -> None:
        held, count = b"", 0
        while count < leave_after and not ended.is_set():
            held += os.read(board, 4096)
            size = 9 + struct.unpack_from("<I", held, 5)[0] + 4 if len(held) > 8 else 9
            if len(held) >= size and not ended.is_set():
                count += 1
                os.write(board, answering(held[4:5], held[9 : size - 4], count))
                held = held[size:]
        os.close(board)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(port)
    finally:
        ended.set()
        with suppress(OSError):  # EIO where the board was unplugged
            os.write(port, b"-")  # wakes one that waits for a question
        thread.join()
        os.close(port)


@pytest.mark.parametrize(
    ("answering", "leave_after", "said"),
    [
        pytest.param(right, 1000, "", id="right"),
        pytest.param(of_pictures(flipped(20), 1), 1000, "", id="a flipped byte, once"),
        pytest.param(of_pictures(flipped(20)), 1000, "got 3 damaged ones", id="flipped bytes"),
        pytest.param(of_pictures(lambda answer: answer[:9]), 1000, "broke off", id="half"),
        pytest.param(of_pictures(lambda _: b""), 1000, "got silence after 7", id="silence"),
        pytest.param(right, 1, "must stay connected, got an error", id="unplugged"),
    ],
)
def test_a_port_is_opened_asked_and_closed(
    answering: Answering, leave_after: int, said: str
) -> None:
    pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")
    with terminal(answering, leave_after) as port:
        refused = pytest.raises(ValueError, match=f"^{port} .*{said}") if said else nullcontext()
        with refused, opened(port, 115_200, patience=0.5) as board:
            assert board.hello() == NET
            assert board.ask(7, bytes([1, 2, 3, 4]), NET).logits.tolist() == [10, -2, 2**30]


@pytest.mark.parametrize("port", ["/dev/ttyNONE", "COM\x1b1", "strange://x", "socket://"])
def test_a_port_that_cannot_be_opened_is_told(port: str, tmp_path: Path) -> None:
    pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")
    with (
        pytest.raises(ValueError, match="--port must be a serial line that can be opened") as told,
        opened(port, 115_200),
    ):
        pass
    assert "\x1b" not in str(told.value)
    assert "plug a board in" in str(told.value) or "there are " in str(told.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EBUSY, "could not"), "(another program has it open: close it, as a monitor"),
        (OSError(errno.EACCES, "could not"), "(permission denied: you must be of its group, mostl"),
        (OSError("could not open port 'COM3': PermissionError(13, 'Denied')"), "(another program "),
        (OSError(errno.ENODEV, "could not"), f"({os.strerror(errno.ENODEV)})"),
        (ValueError("invalid URL"), "(invalid URL)"),
    ],
)
def test_why_a_port_cannot_be_opened_says_what_to_do(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(ValueError, match="can be opened, got COM3 ") as told, opened("COM3", 9_600):
        pass
    assert f"got COM3 {said}" in str(told.value)


def test_what_is_open_no_line_or_without_a_name_is_told(tmp_path: Path) -> None:
    pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")
    (tmp_path / "file").write_bytes(b"")

    def refused(port: str) -> str:
        with pytest.raises(ValueError, match="can be opened, got ") as told, opened(port, 9_600):
            pass
        return str(told.value)

    with terminal(right) as port, opened(port, 115_200):
        assert f"got {port} (another program has it open: " in refused(port)
    assert "(it is no serial line)" in refused(str(tmp_path / "file"))
    assert "got '' (" in refused("")


def test_the_package_that_opens_ports_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(ValueError, match=r"^a serial line needs the package pyserial: pip i"):
        module.require_serial()


def test_a_board_that_takes_no_bytes_is_told_within_its_time() -> None:
    import pty
    import tty

    pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")
    board, port = pty.openpty()
    tty.setraw(port)
    try:
        with (
            opened(os.ttyname(port), 115_200, patience=0.2, longest=4) as line,
            pytest.raises(ValueError, match=r"must stay connected, got an error \(Write timeout\)"),
        ):
            line.ask(0, bytes(10**6), NET)
    finally:
        os.close(board)
        os.close(port)
