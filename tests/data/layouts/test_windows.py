"""Windows of a sensor as CSV: a folder a class, a file a window or a recording."""

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.conftest import pixels, png

from smidgen.data import DataError, DataWarning, Preprocessing, load
from smidgen.data.catalogue import Wish
from smidgen.data.layouts import layout_of
from smidgen.data.layouts.windows import Windows
from smidgen.data.remembered import asked_of
from smidgen.data.sensor import UNKNOWN

pytestmark = pytest.mark.filterwarnings("ignore::smidgen.data.DataWarning")
HEAD = "timestamp,accX,accY"
DRAW = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (place := tmp_path / "data").mkdir()
    return place


def text_of(values: Any, head: str = HEAD, step: float = 20) -> str:
    lines = [",".join([f"{step * n:g}", *map(repr, row)]) for n, row in enumerate(values.tolist())]
    return "\n".join([head, *lines]) + "\n"


def written(folder: Path, counts: dict[str, int], moments: int = 24) -> dict[str, Any]:
    """Write windows of two channels, and return them by their paths below the folder."""
    found: dict[str, Any] = {}
    for place, count in counts.items():
        (folder / place).mkdir(parents=True)
        for number in range(count):
            values = DRAW.normal(size=(moments, 2))
            found[f"{place}/{number:02}.csv"] = values
            (folder / place / f"{number:02}.csv").write_text(text_of(values))
    return found


def notes_of(folder: Path, **wishes: Any) -> Sequence[str]:
    return layout_of(folder).catalogue(Wish(**wishes)).notes


def test_they_are_what_an_array_of_them_is(folder: Path) -> None:
    held = written(folder / "csv", {"idle": 8, "shake": 8})
    labels = [path.split("/")[0] for path in held]
    np.savez(folder / "same.npz", x=np.stack(list(held.values()))[:, None], y=labels)
    text, array = load(folder / "csv"), load(folder / "same.npz")
    assert (text.fingerprint, text.preprocessing) == (array.fingerprint, array.preprocessing)
    assert text.shape == (2, 1, 24)
    assert {*text.train.files, *text.test.files} == held.keys()
    assert load(folder / "csv", image_size="1x8").preprocessing.native == (1, 24)


def test_names_of_channels_and_the_interval_are_kept_with_what_is_seen(folder: Path) -> None:
    for path in written(folder, {"a": 4, "b": 4}):
        (folder / path).write_text(text_of(DRAW.normal(size=(24, 2)), "time_ms,accX,accY"))
    seen = load(folder).preprocessing
    assert (seen.names, seen.interval, seen.unit) == (("accX", "accY"), 20.0, "ms")
    assert ", channels (accX, accY), a moment every 20 ms, values " in seen.text
    form = seen.to_dict()
    kept = Preprocessing.from_dict(json.loads(json.dumps(form)))
    assert kept.sensor == seen.sensor
    for name in ("names", "interval", "unit"):  # as in runs from before
        del form[name]
    assert Preprocessing.from_dict(form) == seen
    assert Preprocessing.from_dict(form).to_dict() == form
    assert load(folder, image_size="1x8").preprocessing.sensor == seen.sensor
    assert load(folder, window=16, turned=True).preprocessing.sensor == seen.sensor


def test_other_data_are_put_in_the_order_trained_on_or_what_differs_is_told(folder: Path) -> None:
    values = {f"{name}/{n}": DRAW.normal(size=(24, 2)) for name in "ab" for n in range(4)}

    def loaded(place: str, head: str, order: Any, step: float, seen: Preprocessing | None) -> Any:
        for path, of in values.items():
            (folder / place / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / place / f"{path}.csv").write_text(text_of(of[:, order], head, step))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load(folder / place, preprocessing=seen, classes=("a", "b"))

    same, turned = slice(None), slice(None, None, -1)
    own = loaded("own", "t_ms,accX,accY", same, 20, None)
    seen = own.preprocessing
    wider = loaded("wider", "t_ms,temp,accX,accY", [0, 0, 1], 20, seen)
    assert "temp is left out, as the net was trained on accX, accY" in wider.notes
    assert (wider.train.images == own.train.images).all()
    with pytest.raises(DataError, match="got temp, x, accY: accX is missing"):
        loaded("lacking", "t_ms,temp,x,accY", [0, 0, 1], 20, seen)
    swapped = loaded("swapped", "t_us,accY,accX", turned, 20_000, seen)
    assert (swapped.train.images == own.train.images).all()
    assert [note for note in swapped.notes if "trained" in note] == [
        "the columns accY, accX are put in the order trained on, by their names: accX, accY"
    ]
    others = loaded("others", "t_ms,x,y", same, 25, seen)
    assert (others.train.images == own.train.images).all()
    names, pace = [note for note in others.notes if "trained" in note]
    assert names.startswith("the channels are called x, y, those trained on accX, accY: they are")
    assert pace.startswith("moments are 25 ms apart, those trained on 20 ms: answers are wrong")
    older = replace(seen, **UNKNOWN._asdict())
    assert not any("trained on" in note for note in loaded("older", "t,u,v", same, 1, older).notes)


def test_names_that_are_too_long_are_not_kept_and_that_is_told(folder: Path) -> None:
    for path in written(folder, {"a": 4, "b": 4}):
        (folder / path).write_text(text_of(DRAW.normal(size=(24, 2)), f"t,{'x' * 101},y"))
    data = load(folder)
    assert data.preprocessing.names == ()
    assert any(note.startswith("names of channels are too long to be") for note in data.notes)


@pytest.mark.parametrize("wrapped", ["", "inner/"])
def test_parts_are_folders_above_the_classes(wrapped: str, folder: Path) -> None:
    places = [f"{part}/{name}" for part in ("train", "val", "test") for name in ("up", "down")]
    written(folder / "csv", {wrapped + place: 2 for place in places})
    data = load(folder / "csv")
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [4, 4, 4]
    assert data.classes == ("down", "up")


def test_what_was_understood_of_the_columns_is_told(folder: Path) -> None:
    written(folder, {"a": 2, "b": 2})
    assert notes_of(folder) == (
        "the first column, 'timestamp', is time and left out: it rises evenly, by 20 a line",
        "the channels are, in this order, accX, accY",
    )
    (folder / "a" / "00.csv").write_text(text_of(np.ones((24, 2)), step=50))
    (folder / "a" / "why.txt").write_text("?")
    other, time, _, uneven = notes_of(folder)
    assert uneven.startswith(f"moments are 20 apart in {folder / 'a'}")
    assert uneven.endswith("windows of one net are read alike, and no interval is kept with it")
    assert other == f"1 file is no window of a class, such as {folder / 'a' / 'why.txt'}"
    assert time.endswith(
        "it rises by 20 to 50 a line, where a net takes moments to be as far apart"
    )
    path = folder / "b" / "01.csv"
    for path in sorted(folder.rglob("*.csv")):  # as pandas writes them
        path.write_text("0,1\n" + "\n".join(f"{x},{y}" for x, y in DRAW.normal(size=(24, 2))))
    assert notes_of(folder)[1] == (
        "the first line of each file, 0, 1, ..., is taken for numbers of columns"
    )
    assert load(folder).shape == (2, 1, 24)
    path.write_text(
        path.read_text().replace("0,1\n", "0,2\n")
    )  # one that is no count: all are moments
    assert load(folder).shape == (2, 1, 25)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            None,
            "column 1 rises in all 4 files, as a time or a counter does, and is a channel: unless",
        ),
        (
            ",accX,accY",
            r"column 1 rises .* leave it out, or let times be first, called timestamp in",
        ),
        ("tilt,accX,accY", r"column 1 \(tilt\) rises in all 4 files"),
        ("accX,ms,accY", r"column 2 \(ms\) rises in all 4 files"),
        ("t,n,accY", r"column 2 \(n\) rises in all 4 files, .* unless measured, leave it out$"),
        ("n,m,accY", r"columns 1 \(n\), 2 \(m\) rise .*, and are channels: .* leave them out"),
    ],
)
def test_a_channel_that_rises_in_every_file_is_told(
    head: str | None, said: str, folder: Path
) -> None:
    for path in written(folder, {"a": 2, "b": 2}):
        columns = np.column_stack([np.arange(24), DRAW.normal(size=(24, 2))])
        if head == "accX,ms,accY":
            columns = columns[:, [1, 0, 2]]
        elif head in {"t,n,accY", "n,m,accY"}:
            columns[:, 1] = columns[:, 0] + 7
        lines = [",".join(map(repr, row)) for row in columns.tolist()]
        (folder / path).write_text("\n".join([*filter(None, [head]), *lines]))
    (note,) = [note for note in notes_of(folder) if "counter" in note]
    assert re.match(said, note)
    if head in {None, "tilt,accX,accY"}:  # in one file of all it falls once
        path = folder / "b" / "01.csv"
        path.write_text("\n".join([*path.read_text().splitlines()[:-1], "-99,-99,-99"]))
        assert not any("counter" in note for note in notes_of(folder))


def test_dates_are_times_without_a_rate(folder: Path) -> None:
    for name in "ab":
        (folder / name).mkdir()
        lines = [f"2026-01-01 00:00:{n:02},{n}" for n in range(9)]
        (folder / name / "1.csv").write_text("\n".join(["Date,force", *lines]))
    assert notes_of(folder)[0] == "the first column, 'Date', is time and left out"


@pytest.mark.parametrize(
    ("pattern", "by", "said"),
    [
        ("accX", "gyrX", r"a/00\.csv, 'timestamp, accX, accY', got 'timestamp, gyrX, accY'"),
        (f"{HEAD}\n", "", "got 3 columns without names: write them alike"),
        ("timestamp", "volts", "got 'volts, accX, accY'"),
        ("(?s)\n200,.*", "", r"must have 24 moments as .*a/00\.csv has, got 10: --window N"),
        ("\n60,", "\n6,", r"line 5: the first column, .* got '6' after '40'"),
        ("(?s)\n20,.*", "", r"must have 2 moments or more, .* got 1 \(--skip-broken"),
        (
            "accY\n",
            "accY\nms,g,g\n",
            r"b/01\.csv line 2 must hold numbers .* got 'ms': leave out the",
        ),
        ("\n60,", "\n60,x", r"b/01\.csv line 5 must hold numbers alone"),
        ("(?s).*", "", "must hold a line a moment, got no line"),
    ],
)
def test_files_that_are_not_alike_are_refused_by_name(
    pattern: str, by: str, said: str, folder: Path
) -> None:
    written(folder, {"a": 3, "b": 3})
    path = folder / "b" / "01.csv"
    path.write_text(re.sub(pattern, by, path.read_text()))
    with pytest.raises(DataError, match=said) as error:
        load(folder)
    assert str(path) in str(error.value)


def test_broken_files_are_left_out_if_that_is_asked(folder: Path) -> None:
    written(folder, {"a": 8, "b": 8})
    for name, text in (("a/01.csv", "broken"), ("b/02.csv", "")):
        (folder / name).write_text(text)
    with pytest.raises(DataError, match=r"^2 files cannot be used: .*a/01\.csv .*; .*leaves them"):
        load(folder)
    data = load(folder, skip_broken=True)
    assert len(data.train) + len(data.test) == 14
    assert any("2 files cannot be used and are left out: " in note for note in data.notes)


def test_files_broken_alike_are_told_once(folder: Path) -> None:
    written(folder, {"a": 3, "b": 12})
    for number, path in enumerate(sorted((folder / "b").iterdir())):  # commas, and points
        path.write_text("x;y\n" * (number > 3) + f"0,{number};1.5\n2,5;3,5\n")
    (folder / "a" / "02.csv").write_text("")
    said = (
        rf"{folder}/a/02\.csv must hold a line a moment, got no line; 12 files alike, the first: "
        rf"{folder}/b/00\.csv must have decimal commas or .*, got '0,0' and .* alike,.*"
    )
    with pytest.raises(DataError, match=rf"^13 files cannot be used: {said} \(--skip-broken, or"):
        load(folder)
    for path in (folder / "a").iterdir():
        path.write_text("")
    for skip in (True, False):  # where nothing is left, leaving out is no way
        with pytest.raises(
            DataError, match=r"windows that can be read, got none: 3 files .*; 12 f"
        ) as error:
            layout_of(folder).catalogue(Wish(skip_broken=skip))
        assert "skip" not in str(error.value)


def test_files_of_european_spreadsheets_are_what_others_are(folder: Path) -> None:
    held = written(folder / "plain", {"a": 4, "b": 4})
    for number, path in enumerate(held):
        (other := folder / "excel" / path).parent.mkdir(parents=True, exist_ok=True)
        text = (folder / "plain" / path).read_text().replace(",", ";\t"[number % 2])
        other.write_text(text.replace(".", ","), "utf-8-sig")
    assert notes_of(folder / "excel") == (
        "decimal commas are read as points",
        *notes_of(folder / "plain"),
    )
    assert load(folder / "excel").fingerprint == load(folder / "plain").fingerprint
    (folder / "excel" / "a" / "00.csv").write_text((folder / "plain" / "a" / "00.csv").read_text())
    assert notes_of(folder / "excel")[0] == "decimal commas are read as points in 7 of 8 files"


def test_recordings_are_cut_and_each_is_on_one_side(folder: Path) -> None:
    held = written(folder, {"a": 6, "b": 6}, moments=50)
    data = load(folder, window=16)
    assert data.shape == (2, 1, 16)
    assert data.notes[2] == (
        "12 recordings of 50 moments make 60 windows of 16, a new one every 8: those of one "
        "recording are on one side; 24 moments at the ends fill none"
    )
    assert {*data.train.files}.isdisjoint(data.test.files)
    assert {*data.train.files, *data.test.files} == held.keys()
    seen = Preprocessing.from_dict(data.preprocessing.to_dict())
    first = data.train.files[0]
    rows = [n for n, file in enumerate(data.train.files) if file == first]
    for place, row in enumerate(rows):
        own = held[first][8 * place : 8 * place + 16][None]
        assert (data.train.images[row].permute(1, 2, 0).numpy() == seen.pixels(own)).all()
    assert asked_of(data.origin)["window"] == "16"
    assert load(data.origin).fingerprint == data.fingerprint
    with pytest.raises(DataError, match=r"must have 51 moments or more, .* got 50 \(a smaller --w"):
        load(folder, window=51)
    with pytest.raises(DataError, match="window must be 2 to 65,535 moments, got 1"):
        load(folder, window=1)


def test_what_belongs_together_is_told_by_the_names_of_the_files(folder: Path) -> None:
    for number in range(12):
        place = folder / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        name = f"p{number // 4}_{number}.csv"
        (place / name).write_text(text_of(DRAW.normal(size=(40, 2))))
    for window in (None, 20):
        data = load(folder, group_by="prefix", window=window)
        sides = [
            {file.split("/")[1][:2] for file in part.files} for part in (data.train, data.test)
        ]
        assert not sides[0] & sides[1]


def test_the_windows_of_other_data_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"digits must be recordings of a sensor, CLASS/\*\.csv"):
        load("digits", window=16)


def test_pictures_with_a_table_stay_pictures(folder: Path) -> None:
    written(folder / "both", {"a": 2, "b": 2})
    for name in "ab":
        (folder / "both" / name / "1.png").write_bytes(png(pixels(ord(name), 6, 5)))
    assert Windows.claim(folder / "both") is None
    (folder / "both" / "a" / "1.png").unlink()
    with pytest.raises(DataError, match=r"class 'a' must have a picture, got none, but 2 \.csv in"):
        load(folder / "both")


def test_a_class_without_windows_is_refused(folder: Path) -> None:
    written(folder, {"a": 2, "b": 2, "c": 0})
    with pytest.raises(DataError, match=r"class 'c' must have a file \.csv or \.tsv, got none in"):
        load(folder)


@pytest.mark.parametrize("place", ["all/1.csv", "all"])
def test_windows_without_classes_are_refused_with_the_next_step(place: str, folder: Path) -> None:
    written(folder, {"all": 2})
    (folder / "all" / "1.csv").write_text(text_of(np.ones((4, 2))))
    with pytest.raises(DataError, match=r"windows of a sensor .* or in CLASS/\*\.csv, a file a"):
        load(folder / place)


def test_more_values_than_memory_should_hold_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, {"a": 2, "b": 2})
    monkeypatch.setattr("smidgen.data.layouts.windows.VALUES", 4 * 24 * 2 * 8 - 1)
    with pytest.raises(DataError, match="holds more than 1,535 bytes of values"):
        load(folder)


def test_a_run_is_judged_on_windows_of_one_class_and_another_length(folder: Path) -> None:
    written(folder, {"a": 3}, moments=12)
    how = Preprocessing(1, 24, "channels", 2, offset=(0.0,) * 2, scale=(1.0,) * 2)
    data = load(folder, preprocessing=how, classes=("a", "b"))
    assert (len(data.test) + len(data.train), data.shape) == (3, (2, 1, 24))


def test_a_note_is_a_warning(folder: Path) -> None:
    written(folder, {"a": 4, "b": 4})
    with pytest.warns(DataWarning, match="the channels are, in this order, accX, accY"):
        load(folder)
