"""Whatever a file from a stranger holds, the command line ends with 0, or with 2 and one line."""

import copy
import csv
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.waiting import PATIENCE

from smidgen.checkpoint import load_tensors, save_tensors
from smidgen.cli import main
from smidgen.data import Data, load
from smidgen.recipe import Recipe
from smidgen.run_folder import PLAN, WEIGHTS
from smidgen.spec import NetSpec
from smidgen.study.job import Job, Origin
from smidgen.study.store import Store
from smidgen.train import train
from smidgen.trial import Trial

EACH = 250  # cases a kind in the long tests: 2,500 in all
VALUES = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 10**9, 10**40, 1e308, float("nan"), float("inf"), "", "*/",
            "../../x", "/etc/passwd", "\x00", "\x1b[2J", "a\nb", "<script>", "conv(1000000000)",
            "-" * 100_000 + "1", "1+" * 3_000 + "1", "(" * 3_000, [], {}, [[]], ["sam", "sam"],
            [1, 2, 3], [10**9] * 3, {"a": 1}, "9" * 5_000, "cutout(length=" + "[" * 200, "\ud800",
        ]
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
)  # fmt: skip


def paths_of(form: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value of a JSON-like form is."""
    if at:
        yield at
    if isinstance(form, dict):
        for key, value in form.items():
            yield from paths_of(value, (*at, key))
    elif isinstance(form, list):
        for place, value in enumerate(form[:5]):
            yield from paths_of(value, (*at, place))


def altered(draw: Callable[..., Any], form: Any) -> Any:
    """Return a form with a few values replaced, dropped or added."""
    form = copy.deepcopy(form)
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths_of(form))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        table = form
        for step in way:
            table = table[step]
        what = draw(st.sampled_from(["replace", "replace", "drop", "add"]))
        if what == "replace":
            table[last] = draw(VALUES)
        elif what == "drop":
            del table[last]
        elif isinstance(table, dict):
            table[draw(st.text(max_size=8))] = draw(VALUES)
    return form


def damaged(draw: Callable[..., Any], content: bytes) -> bytes:
    """Return bytes with some of them changed, cut off or repeated."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        if not changed:
            break
        place = draw(st.integers(0, len(changed) - 1))
        what = draw(st.sampled_from(["set", "set", "cut", "repeat"]))
        if what == "set":
            changed[place] = draw(st.integers(0, 255))
        elif what == "cut":
            del changed[place:]
        else:
            changed[place:place] = changed[place : place + 50]
    return bytes(changed)


class Things:
    """A run, a store, rows, a picture and texts, all sound, to be altered in copies."""

    def __init__(self, folder: Path, digits: Data) -> None:
        self.folder = folder
        layers = ["conv(4)", "max-pool", "global-average-pool", "classifier(10)"]
        self.net = {"name": "tiny", "input": [1, 8, 8], "layers": layers}
        spec, recipe = NetSpec.from_dict(self.net), Recipe(epochs=1, batch_size=256)
        self.run = folder / "run"
        train(spec, digits, recipe=recipe, folder=self.run)
        self.picture = folder / "picture.png"
        Image.new("L", (9, 9), 100).save(self.picture)
        self.store = folder / "study.db"
        store = Store(self.store)
        trials = [
            Trial(spec, (), recipe, seed, "digits", digits.fingerprint, "selection")
            for seed in (0, 1, 2)
        ]
        store.add("s", [Job(trial, Origin("digits")) for trial in trials])
        assert store.claim("1-01234567") is not None
        shipped = Path(__file__).parents[1] / "results" / "reference-mnist.jsonl"
        self.rows = [json.loads(line) for line in shipped.read_text().splitlines()[:4]]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        store.import_rows(folder / "rows.jsonl")
        store.close()


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Things:
    return Things(tmp_path_factory.mktemp("sound"), load("digits"))


def as_json(form: Any) -> str:
    return json.dumps(form)


def plan_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    run = shutil.copytree(things.run, at / "run")
    content = (run / PLAN).read_bytes()
    if draw(st.booleans()):
        (run / PLAN).write_bytes(damaged(draw, content))
    else:
        form = altered(draw, json.loads(content))
        if isinstance(form, dict):
            form.pop("sha256", None)
        (run / PLAN).write_text(as_json(form))
    return ["predict", str(run), str(things.picture)]


def weights_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    run = shutil.copytree(things.run, at / "run")
    path = run / WEIGHTS
    if draw(st.booleans()):
        path.write_bytes(damaged(draw, path.read_bytes()))
    else:
        tensors, values = load_tensors(path)
        if draw(st.booleans()):
            values = altered(draw, values)
        name = draw(st.sampled_from(sorted(tensors)))
        wrong = draw(st.sampled_from(["nan", "huge", "shape", "kind", "none", "sound"]))
        if wrong == "none":
            del tensors[name]
        elif wrong != "sound":
            tensors[name] = {
                "nan": tensors[name].float() * float("nan"),
                "huge": tensors[name].float() * 1e38,
                "shape": tensors[name].reshape(-1)[:1],
                "kind": torch.zeros_like(tensors[name], dtype=torch.bool),
            }[wrong]
        save_tensors(path, tensors, values)
        form = json.loads((run / PLAN).read_bytes())
        kept = {name: form[name] for name in form if name not in ("sha256", "weights")}
        (run / PLAN).write_text(json.dumps(kept))  # a stranger can write the digests of both
    return ["predict", str(run), str(things.picture)]


def store_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    path = Path(shutil.copy(things.store, at / "study.db"))
    if draw(st.booleans()):
        path.write_bytes(damaged(draw, path.read_bytes()))
    else:
        with sqlite3.connect(path) as db:
            columns = ["key", "job", "title", "state", "attempts", "error", "owner", "progress"]
            for _ in range(draw(st.integers(1, 2))):
                column = draw(st.sampled_from([*columns, "started", "ended", "row"]))
                value = draw(VALUES)
                if isinstance(value, list | dict | bool):
                    value = as_json(value)
                if isinstance(value, int) and abs(value) >= 2**63:
                    value = float("inf")
                if isinstance(value, str):
                    value = value.encode("utf-8", "replace").decode()
                try:
                    db.execute(f"UPDATE trials SET {column} = ?", (value,))
                except sqlite3.IntegrityError:  # a column that must be unique, or not null
                    db.execute(
                        f"UPDATE OR IGNORE trials SET {column} = ? WHERE rowid = 1", (value or 0,)
                    )
        db.close()
    return ["report", str(path)]


def rows_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    path = at / "rows.jsonl"
    lines = [as_json(altered(draw, row) if draw(st.booleans()) else row) for row in things.rows]
    path.write_text("\n".join(lines) + "\n")
    if draw(st.integers(0, 3)) == 0:
        path.write_bytes(damaged(draw, path.read_bytes()))
    return ["report", str(path)]


def toml_of(draw: Callable[..., Any], text: str) -> bytes:
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(lines) - 1))
        key = lines[place].partition("=")[0]
        value = draw(VALUES)
        lines[place] = f"{key}= {json.dumps(value, default=str)}"
    content = "\n".join(lines).encode("utf-8", "replace")
    return damaged(draw, content) if draw(st.integers(0, 3)) == 0 else content


def net_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    path = at / "net.toml"
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in things.net.items())
    path.write_bytes(toml_of(draw, text))
    return ["inspect", str(path), "--json"]


def recipe_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    path = at / "recipe.toml"
    shipped = Path(__file__).parents[1] / "src" / "smidgen" / "recipes" / "default.toml"
    path.write_bytes(toml_of(draw, shipped.read_text()))
    return ["train", "mnist-1k5-dw", "--recipe", str(path), "--data", str(at / "no such data")]


def study_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    path = at / "study.toml"
    text = 'name = "s"\ndata = "digits"\nseeds = [0]\nsplit = "full"\n[recipe]\nepochs = 1\n'
    text += '[[nets]]\nname = "own"\ninput = [1, 8, 8]\nlayers = ["conv(4)"]\n'
    path.write_bytes(toml_of(draw, f'{text}[[trials]]\nnets = ["own"]\nmethods = [["sam"]]\n'))
    store = shutil.copy(things.store, at / "study.db")
    return ["study", str(path), "--store", str(store), "--status"]


def text(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    del things, at
    parts = st.sampled_from(
        ["sam", "cutout", "blurpool", "(", ")", "length", "=", ",", "-", "1", "0x", "9" * 30, "+",
         "[", "]", "**", "'", '"', "none", "nan", ":", "\x00", "\x1b", "\n", "é", "lambda", "."]
    )  # fmt: skip
    words = draw(st.lists(parts, max_size=12))
    return ["inspect", "mnist-1k5-dw", "--with", "".join(words) * draw(st.sampled_from([1, 900]))]


def cells(draw: Callable[..., Any], things: Things) -> list[dict[str, Any]]:
    """Return the rows of a sound table of pictures, some of them altered."""
    rows: list[dict[str, Any]] = [
        {"image": f"{number}.png", "label": "ab"[number % 2], "split": "train"}
        for number in range(8)
    ]
    for row in rows:
        if draw(st.integers(0, 5)) == 0:
            row[draw(st.sampled_from(sorted(row)))] = draw(VALUES)
    return rows


def pictures(draw: Callable[..., Any], things: Things, at: Path) -> None:
    content = things.picture.read_bytes()
    for number in range(8):
        broken = draw(st.integers(0, 15)) == 0
        (at / f"{number}.png").write_bytes(damaged(draw, content) if broken else content)


def table_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    pictures(draw, things, at)
    rows = cells(draw, things)
    path = at / draw(st.sampled_from(["labels.csv", "labels.tsv", "metadata.jsonl"]))
    if path.suffix == ".jsonl":
        text = "\n".join(map(as_json, rows))
    else:
        file = io.StringIO()
        mark = "," if path.suffix == ".csv" else "\t"
        writer = csv.DictWriter(file, list(rows[0]), delimiter=mark)
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    content = text.encode("utf-8", "replace")
    path.write_bytes(damaged(draw, content) if draw(st.booleans()) else content)
    return ["inspect-data", str(at), *draw(st.sampled_from([[], ["--json"]]))]


def parquet_file(draw: Callable[..., Any], things: Things, at: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = things.picture.read_bytes()
    images: list[Any] = []
    for _ in range(8):
        form: dict[str, Any] = {"bytes": content, "path": None}
        what = draw(st.sampled_from(["sound"] * 6 + ["path", "damaged", "nothing"]))
        if what == "path":
            form = {"bytes": None, "path": draw(st.sampled_from(["/etc/passwd", "../x.png", "x"]))}
        elif what == "damaged":
            form["bytes"] = damaged(draw, content)
        images.append(None if what == "nothing" else form)
    labels: list[Any] = [number % 2 for number in range(8)]
    kind = draw(st.sampled_from([pa.int64(), pa.string(), pa.float64(), pa.int8()]))
    if pa.types.is_string(kind):
        labels = [draw(st.text(max_size=9)).encode("utf-8", "replace").decode() for _ in labels]
    elif draw(st.booleans()):
        labels[0] = draw(st.sampled_from([-1, 100, None]))
    said = draw(
        st.sampled_from(["{}", "{", '{"info": 1}', "[" * 9_000, '{"info": {"features": []}}'])
    )
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, struct), "label": pa.array(labels, kind)})
    table = table.replace_schema_metadata({"huggingface": said})
    path = at / "train.parquet"
    pq.write_table(table, path)
    if draw(st.booleans()):
        path.write_bytes(damaged(draw, path.read_bytes()))
    return ["inspect-data", str(path)]


KINDS = {
    "table": table_file,
    "parquet": parquet_file,
    "run.json": plan_file,
    "weights": weights_file,
    "store": store_file,
    "rows": rows_file,
    "net": net_file,
    "recipe": recipe_file,
    "study": study_file,
    "text": text,
}


def in_a_process_of_its_own(arguments: list[str], at: Path) -> tuple[int, str]:
    words = [word.replace("\0", "") for word in arguments]  # no system passes one on
    command = [sys.executable, "-m", "smidgen", *words]
    done = subprocess.run(command, cwd=at, capture_output=True, check=False, timeout=PATIENCE)
    return done.returncode, done.stderr.decode()


def ends_well(draw: Callable[..., Any], kind: str, things: Things, *, alone: bool = False) -> None:
    with tempfile.TemporaryDirectory() as name:
        outside, at = Path(name) / "outside", Path(name) / "here"
        outside.mkdir()
        at.mkdir()
        (outside / "thesis.txt").write_text("years of work")
        arguments = KINDS[kind](draw, things, at)
        before = {path: path.read_bytes() for path in at.rglob("*") if path.is_file()}
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["smidgen", *arguments])
            patch.setenv("XDG_CACHE_HOME", str(outside / "cache"))
            patch.chdir(at)
            if alone:
                code, said = in_a_process_of_its_own(arguments, at)
            else:
                with pytest.raises(SystemExit) as ended:
                    main()
                code, said = ended.value.code, err.getvalue()
        assert code in (0, 2), (arguments, said)
        assert "Traceback" not in said
        lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
        if code == 2:
            assert len(lines) == 1, lines
            assert lines[0].startswith("smidgen: ")
            assert lines[0].isprintable()
            assert len(lines[0]) < 2_000, lines
        assert (outside / "thesis.txt").read_text() == "years of work"
        assert [
            path.name for path in Path(name).iterdir() if path.name not in ("outside", "here")
        ] == []
        for path, content in before.items():  # SQLite may note its version in a store
            assert path.suffix == ".db" or path.read_bytes() == content, f"{path} was changed"


ANY_PACE = settings(
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@settings(ANY_PACE, max_examples=12)
@given(data=st.data())
def test_a_hundred_files_from_strangers_end_well(kind: str, things: Things, data: Any) -> None:
    ends_well(data.draw, kind, things)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@settings(ANY_PACE, max_examples=EACH, phases=[Phase.generate])  # shrinking takes minutes
@given(data=st.data())
def test_thousands_of_files_from_strangers_end_well(kind: str, things: Things, data: Any) -> None:
    ends_well(data.draw, kind, things)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(ANY_PACE, max_examples=5, phases=[Phase.generate])
@given(data=st.data())
def test_files_from_strangers_end_well_in_processes_of_their_own(
    kind: str, things: Things, data: Any
) -> None:
    ends_well(data.draw, kind, things, alone=True)
