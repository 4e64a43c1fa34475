"""Which operations run, and in which number format, is measured once a machine and kept."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smidgen import kernels
from smidgen.kernels import library, measured, survey
from smidgen.kernels.measured import Candidate, Timings

WIDE = ("avx512", "avx512bf16", "avx512amx")
PAIRS: list[Candidate] = [("avx512", "float32"), *((name, "bfloat16") for name in WIDE)]
Found = Callable[..., Timings]


def _answer(value: Callable[[], object]) -> Callable[..., object]:
    """Return a function of any arguments."""

    def answer(*arguments: object) -> object:
        del arguments
        return value()

    return answer


def _load(name: str, dtype: torch.dtype) -> library.Operations:
    return pytest.fail(f"{name} {dtype} is for measuring alone")


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """Return timings of a machine that takes 1, 2, ... ms, and says when it is measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    built = tmp_path / "native.so"
    built.write_bytes(b"a build")

    def find(offset: float = 0.0, build: bytes = b"a build") -> Timings:
        built.write_bytes(build)
        taken = iter((1.0, 2.0, 3.0, 4.0))
        monkeypatch.setattr(measured, "milliseconds", _answer(lambda: next(taken) + offset))
        return measured.timings(PAIRS, _load, built)

    return find


def _file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "smidgen").iterdir()
    return path


def test_a_machine_is_measured_once(found: Found, tmp_path: Path) -> None:
    first = found()
    assert list(first) == PAIRS
    assert list(first.values()) == [1, 2, 3, 4]
    assert found(offset=10) == first
    assert json.loads(_file(tmp_path).read_text())["processor"] == measured.processor()


def test_another_build_is_measured_anew(found: Found) -> None:
    assert found() != found(offset=10, build=b"another")


@pytest.mark.parametrize(
    "content", ["", "{}", '{"timings": [["avx512", "float32", 1]]}', '{"timings": 3}']
)
def test_what_is_not_whole_is_measured_again(found: Found, tmp_path: Path, content: str) -> None:
    found()
    _file(tmp_path).write_text(content)
    assert list(found(offset=10).values()) == [11, 12, 13, 14]
    assert list(found().values()) == [11, 12, 13, 14]


def test_a_cache_that_cannot_be_written_costs_time_alone(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert list(found().values()) == [1, 2, 3, 4]
    assert list(found(offset=10).values()) == [11, 12, 13, 14]


def test_of_processes_side_by_side_the_first_decides(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = found()
    path = _file(tmp_path)
    whole = path.read_text()
    path.unlink()
    taken = iter((1.0, 2.0, 3.0, 4.0))

    def late(*_: object) -> float:  # another process has written while this one was measuring
        path.write_text(whole)
        return next(taken) + 10

    monkeypatch.setattr(measured, "milliseconds", late)
    built = tmp_path / "native.so"
    assert measured.timings(PAIRS, _load, built) == first
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((4, 2, 1), "avx512amx"),
        ((4, 2, 2.1), "avx512amx"),  # within the noise the newer one
        ((4, 1, 2), "avx512bf16"),
        ((1, 2, 4), "avx512"),
        ((2, 1.95, 4), "avx512bf16"),
    ],
)
def test_the_fastest_is_chosen(times: tuple[float, ...], expected: str) -> None:
    timed = {(name, "bfloat16"): float(ms) for name, ms in zip(WIDE, times, strict=True)}
    assert measured.best(timed, WIDE, "bfloat16") == expected


@pytest.mark.parametrize(
    ("times", "path", "number_format"),
    [
        ((5, 4, 2, 1), "avx512amx", "bfloat16"),
        ((5, 4, 6, 7), "avx512", "bfloat16"),
        ((5, 6, 7, 8), "avx512", "float32"),
        ((5, 4.9, 4.9, 4.9), "avx512amx", "float32"),  # exactness is worth more than 2 %
    ],
)
def test_path_and_number_format_follow_the_measurement(
    times: tuple[float, ...], path: str, number_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMIDGEN_KERNELS", raising=False)
    monkeypatch.setattr(library, "available", lambda: ("torch", "portable", "avx2", *WIDE))
    library.forget_choice()
    timed = dict(zip(PAIRS, map(float, times), strict=True))
    monkeypatch.setattr(measured, "timings", _answer(lambda: timed))
    assert kernels.implementation() == path
    assert kernels.number_format() == number_format
    said = {one.name: one for one in survey.known()}
    assert said[path].said == "in use: the fastest when this machine was measured"
    assert said["avx512"].float32 == times[0]
    assert said["avx512amx"].bfloat16 == times[3]
    assert said["avx2"].said == "runs here if SMIDGEN_KERNELS names it"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("torch", "float32"),
        ("avx2", "float32"),
        ("portable", "bfloat16"),
        ("avx512", "float32"),
        ("avx512bf16", "float32"),
        ("avx512amx", "bfloat16"),
    ],
)
def test_the_number_format_is_that_of_the_path_that_the_environment_names(
    path: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ("torch", "portable", "avx2", *WIDE)
    times = {("avx512", "float32"): 5.0, ("avx2", "float32"): 7.0, ("portable", "float32"): 30.0}
    times |= {(name, "bfloat16"): 6.0 for name in named} | {("avx2", "bfloat16"): 8.0}
    times["avx512amx", "bfloat16"] = 1.0

    def timed(pairs: list[Candidate], *_: object) -> Timings:
        return {pair: times[pair] for pair in pairs}

    monkeypatch.setenv("SMIDGEN_KERNELS", path)
    monkeypatch.setattr(library, "available", lambda: named)
    monkeypatch.setattr(measured, "timings", timed)
    library.forget_choice()
    assert kernels.number_format() == expected


def test_nothing_is_measured_where_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMIDGEN_KERNELS", raising=False)
    monkeypatch.setattr(library, "_native", _answer(lambda: None))
    monkeypatch.setattr(measured, "timings", _answer(lambda: pytest.fail("nothing to measure")))
    library.forget_choice()
    assert kernels.number_format() == "float32"
    said = [one.said for one in survey.known()]
    assert said[0] == "in use: nothing is compiled"
    assert set(said[1:]) == {"not built: install a C compiler, then smidgen again"}


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (0b00111, "this processor does not have it"),
        (0b01111, "not built: the compiler did not know its instructions"),
        (0b10111, "the system keeps the matrix unit from this process"),
    ],
)
def test_why_there_are_no_tiles_is_told(
    bits: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "available", lambda: ("torch", "portable", "avx2"))
    monkeypatch.setattr(library, "processor_bits", lambda: bits)
    monkeypatch.setenv("SMIDGEN_KERNELS", "torch")
    monkeypatch.setattr(measured, "timings", _answer(dict[Candidate, float]))
    library.forget_choice()
    rows = survey.known()
    assert rows[0].said == "in use: SMIDGEN_KERNELS names it"
    assert rows[-1].said == said


@pytest.mark.skipif(kernels.available() == ("torch",), reason="built without the operations")
def test_measuring_takes_time_and_no_random_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = torch.get_rng_state()
    library.forget_choice()
    times = library.timings()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(ms > 0 for ms in times.values())
    assert {name for name, _ in times} == set(library.candidates())


def test_timings_are_for_all_whom_the_umask_lets_read(found: Found, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        found()
    finally:
        os.umask(before)
    assert _file(tmp_path).stat().st_mode & 0o777 == 0o644


def test_a_disk_without_links_keeps_timings(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert found() == found(offset=10)
