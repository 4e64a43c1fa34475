"""Windows as text: what is read and refused, and that the page reads the same."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.export.test_page_windows import evaluated, lines

from smidgen.data import DataError, Preprocessing
from smidgen.data.lines import ENDINGS, is_time, lines_in, lines_of
from smidgen.data.moments import Window, window_in, window_of
from smidgen.data.sensor import unit_of

HOW = Preprocessing(1, 48, "channels", 3, offset=(0.0,) * 3, scale=(1.0,) * 3)
SHRUNK = replace(HOW, width=16, length=48)
ONE = Preprocessing(1, 48, "grey", 1, offset=(0.0,), scale=(1.0,))
COUNTS = "\n".join(f"{20 * n},{n}.5,2,-3e0" for n in range(48))
KNOWN = replace(HOW, names=("accX", "accY", "accZ"), interval=20.0, unit="ms")
WITH_COMMAS = [  # of three channels
    lines(48, "0,5 1,5 2,5"),
    lines(48, '"0,5","1",",25"'),
    'x;"y;1";z\n' + lines(48, '"-0,5";1e3;2,5e-1;'),
    "sep=;\nx;y;z\n" + lines(48, "0,5;1;2"),
    '"sep=\t"\nx\ty\tz\n' + lines(48, "0,5\t1\t2"),
    "t (ms)\tacc x\tacc y\tacc z\n" + "\n".join(f"{n},5\t1\t2,5\t3" for n in range(48)),
    "\ufefft;x;y;z\n" + "\n".join(f"{20 * n};{n},5;-2;3,25" for n in range(48)),
    lines(48, "1,\t2,\t3"),
    lines(48, "1,2 ,3"),
    lines(48, "1\t\t3"),
    "nan;0,5;1\n" + lines(47, "1;2;3"),
    lines(48, "1,2,3;"),
    lines(48, "0,5;1.5;2"),
    lines(48, "0,5;1.234,5;2"),
    lines(48, "1,2,3;4;5"),
    '"0,5;1;2\n' + lines(47, "0,5;1;2"),
    "x,y,z\n" + lines(48, "0,5,1,5,2,5"),
    "x,y\n" + lines(48, "1,2,3"),
    "x,y\n" + lines(48, "0.5,2,3"),
    lines(24, "0,5,1,5,2,05"),
    lines(48, "0,05,1"),
    lines(48, "1,-0,5"),
    lines(48, "1,08,05"),
    lines(48, "08,05,1"),
]
WITH_COMMAS_OF_ONE = [
    lines(48, "0,5") + "\n1",
    lines(48, "-0,5"),
    lines(48, "0,5;"),
    "force\n" + lines(48, "0,5"),
    "force\n" + lines(48, '"0,5"'),
    lines(47, "0,5;") + "\n1;",
]
BOTH = [  # the net, and a text
    *(
        (KNOWN, f"{head}\n{COUNTS}")
        for head in (
            "t_ms,accX,ACCY,accZ",
            "t,accZ,accX,accY",
            "seconds,x,y,z",
            "t_us,accX,accX,accY",
            "time,,,",
        )
    ),
    *(
        (KNOWN, f"{head},accX,accY,accZ\n{COUNTS}")
        for head in ("Time [\u00b5s]", "TIME \u03bcs", "timeMs", "t_min", "min", "h", "Time (h)")
    ),
    *(
        (KNOWN, f"{head}\n{lines(48, '1,2,3,4')}")
        for head in (
            "temp,accX,accY,accZ",
            "accZ,accX,temp,accY",
            "accX,accY,x,y",
            "accX,accX,accY,accZ",
        )
    ),
    (replace(ONE, names=("force",)), "force,temp\n" + lines(48, "1,2")),
    (KNOWN, lines(48, "1,2,3")),
    (KNOWN, "t_ms,accX,accY,accZ\n" + "\n".join(f"{15 * n},1,2,3" for n in range(64))),
    (replace(KNOWN, names=("a", "a", "b")), "a,b,a\n" + lines(48, "1,2,3")),
    (replace(KNOWN, unit=""), "t,accZ,accY,accX\n" + COUNTS.replace("\n", "0\n")),
    (replace(ONE, interval=0.02, unit="s"), "ms,g\n" + "\n".join(f"{n},{n}" for n in range(48))),
    (HOW, lines(48, "1,2,3")),
    (HOW, "\ufeff# x,y,z\n" + lines(48, "1; 2; 3;\r")),
    (HOW, lines(48, "\t1e1\t-2.5 3")),
    (HOW, lines(144, "1", ",")),
    (HOW, lines(144, ".5")),
    (HOW, lines(64, "1,2,3")),
    (HOW, lines(71, "1,2,3")),
    (HOW, lines(72, "1,2,3")),
    (ONE, lines(769, "1", ",")),
    (HOW, lines(48, "0,1,2,3")),
    (HOW, lines(48, "1")),
    (HOW, lines(192, "1", " ")),
    (HOW, lines(3, lines(48, "1", ","))),
    (HOW, lines(48, "0,5;1,5;2,5")),
    (HOW, lines(48, "0,5\t1,5\t2,5")),
    *((HOW, text) for text in WITH_COMMAS),
    *((ONE, text) for text in WITH_COMMAS_OF_ONE),
    (HOW, lines(47, "1,2,3") + "\n1,2"),
    (HOW, lines(48, "1,,3")),
    (HOW, "nan,nan,nan\n" + lines(47, "1,2,3")),
    (HOW, ""),
    (HOW, " \n\n" + lines(48, "1,2,3", "\r\r\n") + "\n\n"),
    (HOW, lines(20, "1,2,3") + "\n\n" + lines(28, "1,2,3")),
    (HOW, "0,1,2\n" + lines(48, "1,2,3")),
    (HOW, "0,1,2\n" + lines(47, "1,2,3")),
    (HOW, "a;b,c x1,2y,d\n" + lines(48, "1,2,3")),
    (HOW, '"t (ms)",x,y,z\n' + COUNTS),
    (HOW, "timestamp,x,y,z\n" + COUNTS.replace("\n0", "\n900")),
    (HOW, "timestamp,x,y\n" + "\n".join(line[: line.rindex(",")] for line in COUNTS.split("\n"))),
    (HOW, "Time,x,y,z\n" + "\n".join(f"2026-01-01T00:00:{n:02},1,2,3" for n in range(48))),
    (HOW, "tilt,x,y,z\n" + COUNTS),
    (HOW, "t,x,y,z\n" + "\n".join(f"{n + 10},1,2,3" for n in range(47)) + "\nx,1,2,3"),
    (HOW, COUNTS),
    (SHRUNK, "time,x,y,z\n" + COUNTS),
    (SHRUNK, lines(16, "1,2,3")),
    (SHRUNK, "0,1,2\n" + lines(48, "1,2,3")),
    (ONE, lines(48, "1")),
    (ONE, "force\n" + lines(48, "1")),
    (ONE, "force, strain\n" + lines(1, lines(50, "1", ","))),
    (ONE, "time_s,force\n" + "\n".join(f"{n / 50},{n}" for n in range(48))),
    (ONE, "0\n" + lines(48, "1")),
    (ONE, lines(48, "0,1")),
    (ONE, "\n" + lines(24, "1", "\n\n") + "\n"),
]


def read(text: str, how: Preprocessing) -> Window | str:
    """Return the window of a text, or why it is none."""
    try:
        return window_of(lines_of(text.removeprefix("\ufeff"), "a.csv"), how)
    except DataError as error:
        return str(error)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_and_predict_read_the_same_numbers_of_the_same_text() -> None:
    found = evaluated([(how, text) for how, text in BOTH])
    assert 0.3 < sum("cells" in page for page in found) / len(found) < 0.8
    for (how, text), page in zip(BOTH, found, strict=True):
        window = read(text, how)
        if isinstance(window, Window) and len(window.each) > 1:  # the page cuts none, and says so
            assert "the recording to smidgen predict" in page["error"]
            continue
        assert isinstance(window, str) == ("error" in page), (text[:60], window, page)
        if isinstance(window, str):
            continue
        own = np.array(page["cells"], float).reshape(1, page["length"], how.channels)
        assert (window.values == own).all()
        plain = [note.replace("'", "") for note in window.notes]
        told = [note for note in page["notes"] if "fitted" not in note]
        if any("numbers of columns" in note for note in plain):  # of which the page shows the line
            assert len(plain) == len(told)
        else:
            assert plain == told


@pytest.mark.parametrize(
    ("head", "kept", "said"),
    [
        ("accX,accY,accZ", [1, 2, 3], ""),
        ("ACCX,accy,accZ", [1, 2, 3], ""),
        (
            "accZ,accX,accY",
            [2, 3, 1],
            "the columns accZ, accX, accY are put in the order trained on, by their names: accX,",
        ),
        (
            "gyrX,gyrY,gyrZ",
            [1, 2, 3],
            "the channels are called gyrX, gyrY, gyrZ, those trained on accX, accY, accZ: they are",
        ),
        ("accX,accX,accZ", [1, 2, 3], "the channels are called accX, accX, accZ, those trained"),
        ("", [1, 2, 3], "columns without names are taken in the order trained on: accX, accY, a"),
    ],
)
def test_channels_are_those_trained_on_by_their_names_or_that_is_told(
    head: str, kept: list[int], said: str
) -> None:
    window = window_of(lines_of(f"{head}\n{lines(48, '1,2,3')}", "a.csv"), KNOWN)
    assert window.values[0, 0].tolist() == kept
    (note,) = window.notes or ("",)
    assert note.startswith(said)
    assert bool(note) == bool(said)


@pytest.mark.parametrize(
    ("head", "kept", "said"),
    [
        (
            "accX,accY,accZ,temp",
            [1, 2, 3],
            "temp is left out, as the net was trained on accX, accY, accZ",
        ),
        (
            "accZ,temp,ACCX,accY",
            [3, 4, 1],
            "the columns accZ, temp, ACCX, accY are put in the order trained on, by their names:"
            " accX, accY, accZ; temp is left out",
        ),
        ("accX,accY,temp,hum", None, "hum; accZ is missing"),
        ("a,b,c,d", None, "leave out other columns, as of time"),
        ("accX,accX,accY,accZ", None, "leave out other columns, as of time"),
    ],
)
def test_the_channels_trained_on_are_taken_out_of_more(
    head: str, kept: list[int] | None, said: str
) -> None:
    window = read(f"{head}\n{lines(48, '1,2,3,4')}", KNOWN)
    if isinstance(window, str):
        assert kept is None
        assert window.endswith(said)
    else:
        assert window.values[0, 0].tolist() == kept
        assert window.notes == (said,)


@pytest.mark.parametrize(
    ("head", "step", "count", "said"),
    [
        ("t_ms", 20, 48, ""),
        ("t_ms", 20.5, 48, ""),
        ("t_ms", 22, 48, "moments are 22 ms apart, those trained on 20 ms: answers are wrong"),
        ("seconds", 0.02, 48, ""),
        ("t", 20, 48, ""),  # of no unit: as it is
        ("t", 0.02, 48, "moments are 0.02 apart, those trained on 20 ms"),
        ("t_ms", 15, 64, ""),  # fitted to 48 they are 20 apart
        ("t_ms", 20, 64, "moments are 26.6667 ms apart once fitted, those trained on 20 ms"),
        ("t_ms", 20, 100, ""),  # a recording, which is cut
        ("t_ms", 10, 100, "moments are 10 ms apart, those trained on 20 ms"),
    ],
)
def test_a_sensor_that_is_read_at_another_rate_is_told(
    head: str, step: float, count: int, said: str
) -> None:
    text = "\n".join(f"{step * n:g},1,2,3" for n in range(count))
    window = window_of(lines_of(f"{head},accX,accY,accZ\n{text}", "a.csv"), KNOWN)
    told = [note for note in window.notes if "apart" in note]
    assert len(told) == bool(said)
    assert not said or told[0].startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            lines(48, "0,1,2,3"),
            r"must be a window, 48 lines of the 3 channels .* got 48 of 4; leav",
        ),
        (lines(3, lines(48, "1", ",")), "got 3 of 48; exchange rows and columns"),
        (lines(40, "1,2,3") + "\n\n1,2,3", "a blank line, number 41: fill in the missing value"),
        (lines(40, "1,2,3") + "\n1,2", "as many numbers in each line, got 3 and in line 41 2"),
        (lines(40, "1,2,3") + "\n1,x,3", "a.csv line 41 must hold numbers alone, got 'x'"),
        (
            "t,x,y\nms,g,g\n0,1,2\n20,1,2",
            "a.csv line 2 must hold numbers alone, got 'ms': leave out",
        ),
        ("t,x,y,z\n0,1,2,3\n,1,2,3\n40,1,2,3", "line 3 must hold numbers alone, got an empty cell"),
        (lines(40, "1,2,3") + "\n1,,3", "line 41 must hold numbers alone, got an empty cell"),
        (lines(40, "1,2,3") + "\n1,1_0,3", "numbers alone, got '1_0'"),
        (lines(40, "1,2,3") + "\n1,1e999,3", "numbers alone, got '1e999'"),
        (
            lines(48, "0,5;1.5;2"),
            r"decimal commas or decimal points, got '0,5' and in .* '1\.5'",
        ),
        (lines(48, "0,5;1.234,5;2"), r"got '1\.234,5': write no mark between thousands"),
        (
            lines(48, "1,2,3;"),
            "must not end lines by semicolons where commas .*: leave these out",
        ),
        (
            "0,5\n" + lines(48, "1"),
            "may have the number 0,5 or two, and no comma in its last line",
        ),
        ("x,y\n" + lines(48, "0,5,0,6"), "has 2 names above 4 whole numbers: where commas are dec"),
        ("t,x,y\n" + lines(48, "0,0,5,1"), "has 3 names above 4 whole numbers: .*; otherwise name"),
        ("20,1,5\n40,-0,5", "line 2 may have the number -0,5 or two: where commas are decimal"),
        ("05,-0,7", "line 1 may have the number -0,7 or two: where commas are decimal, put"),
        ("20,1,005", "line 1 may have the number 1,005 or two: where commas are decimal, put"),
        (
            lines(48, "-1,05"),
            "line 1 may have the number -1,05 or two: where commas are decimal, put",
        ),
        (" \n", "must hold a line a moment, got no line"),
        ("1" * (1 << 22 | 1), "lines of at most 4,194,304 characters"),
        ("1," * (1 << 18 | 1), "at most 262,144 numbers in a line"),
        ("\r" * (1 << 21 | 1), "at most 1,048,576 lines, got far more"),
        ("1\n" * (1 << 20 | 1), "at most 1,048,576 lines, got 1,048,578"),
    ],
)
def test_what_is_no_window_is_refused_in_a_line(text: str, said: str, tmp_path: Path) -> None:
    (path := tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=said) as error:
        window_in(path, HOW)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "numbers", "names"),
    [
        ("0,5;1;-2,5e1\n1;2;3", [["0.5", "1", "-2.5e1"], ["1", "2", "3"]], ()),
        ("t (ms)\tacc x\n0\t0,5\n20\t1", [["0", "0.5"], ["20", "1"]], ("t (ms)", "acc x")),
        ("0,5 1\n0,6 2", [["0.5", "1"], ["0.6", "2"]], ()),
        ('"x, raw",y\n"0,5","1"', [["0.5", "1"]], ("x, raw", "y")),
        ("sep=;\nx;y\n0,5;1", [["0.5", "1"]], ("x", "y")),
        ('"sep=\t"\nx\ty\n0,5\t1', [["0.5", "1"]], ("x", "y")),
        (
            "Datum;x\n01.02.2026 10:00:00,25;0,5",
            [["01.02.2026 10:00:00,25", "0.5"]],
            ("Datum", "x"),
        ),
    ],
)
def test_decimal_commas_are_points_where_something_else_is_between_numbers(
    text: str, numbers: list[list[str]], names: tuple[str, ...], tmp_path: Path
) -> None:
    (path := tmp_path / "a.csv").write_text(text.replace("\n", "\r\n"), "utf-8-sig", newline="")
    found = lines_in(path)
    assert (found.rows, found.names, found.commas) == (numbers, names, True)


@pytest.mark.parametrize(
    "text", ["1,5,2\n", "05,1,2\n", "8,05,09\n", "x,y\n05,07\n", "1,\t5\n", "1,2 ,3"]
)
def test_commas_between_numbers_stay_that(text: str) -> None:
    assert not lines_of(text, "a.csv").commas


def test_a_file_that_is_no_utf_8_or_not_there_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / f"a{ENDINGS[1]}").write_bytes("a,b\n1,2".encode("utf-16"))
    with pytest.raises(DataError, match=r"a\.tsv must be UTF-8"):
        lines_in(path)
    with pytest.raises(DataError, match=r"no\.csv cannot be read as text: No such file"):
        lines_in(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("how", "moments", "starts"),
    [
        (HOW, 71, [0]),
        (HOW, 72, [0, 24]),
        (HOW, 100, [0, 24, 48]),
        (SHRUNK, 1000, [*range(0, 953, 24)]),  # by what was trained on, not what the net takes
        (replace(HOW, fit="pad"), 72, [0, 24]),
        (replace(HOW, height=48, width=1), 72, [0, 24]),
    ],
)
def test_a_recording_is_cut_as_those_trained_on(
    how: Preprocessing, moments: int, starts: list[int]
) -> None:
    text = "\n".join(f"{n},{n % 7},2" for n in range(moments))
    window = window_of(lines_of(text, "a.csv"), how)
    own = window.values.reshape(moments, 3)
    kept = [of.reshape(-1, 3) for of in window.each]
    assert all((of == own[at : at + len(of)]).all() for of, at in zip(kept, starts, strict=True))
    assert {len(of) for of in kept} == {71 if moments == 71 else 48}
    assert {of.ndim for of in (window.values, *window.each)} == {3}
    told = "1.5 times 48 moments or more are cut into windows of 48, a new one every 24"
    assert any(note.startswith(told) for note in window.notes) == (moments > 71)


def test_a_net_of_bytes_gets_bytes_and_a_net_of_a_column_a_column() -> None:
    how = Preprocessing(48, 1, "channels", 2)
    window = window_of(lines_of(lines(48, "-3,300.2"), "a.csv"), how)
    assert (window.values.shape, window.values.dtype) == ((48, 1, 2), np.uint8)
    assert window.values[0].tolist() == [[0, 255]]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "timestamp",
            "Time (ms)",
            "t",
            "t_us",
            "seconds_elapsed",
            "MS",
            "timeMs",
            "time (minutes)",
        ),
        *("Time [\u00b5s]", "t_min", "minutes"),
    ],
)
def test_columns_of_times_are_known_by_their_names(name: str) -> None:
    assert is_time(name)


@pytest.mark.parametrize(
    "name", ["", "1", "accX", "temp", "tx", "time to fall", "min", "H", "t\u00e9"]
)
def test_other_columns_are_none(name: str) -> None:
    assert not is_time(name)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Time [\u00b5s]", "us"),
        ("time_\u03bcs", "us"),
        ("time\u00b5s", "us"),
        ("timeMs", "ms"),
        ("TIME (MS)", "ms"),
        ("time (minutes)", "min"),
        ("elapsed_min", "min"),
        ("t_min", "min"),
        ("Time (h)", "h"),
        ("elapsed_s", "s"),
        ("Time (h:min:s)", ""),
        ("timestamp", ""),
    ],
)
def test_the_unit_of_times_is_read_from_their_name(name: str, unit: str) -> None:
    assert unit_of(name) == unit
