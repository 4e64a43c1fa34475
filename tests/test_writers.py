"""Hostile names in everything that is written leave its form as it is with plain ones.

Whatever is written is read back by the language's own reader: with hostile names there must be the
same tags, tokens, columns and keys as with plain ones, and the names must be what they were.
"""

import ast
import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.report.conftest import png, row, seen
from tests.test_escape import HOSTILE as TEXTS
from tests.waiting import PATIENCE

from smidgen import escape
from smidgen.cli import main
from smidgen.cli.terminal import next_commands
from smidgen.data import Data, Preprocessing
from smidgen.data.arrays import from_arrays
from smidgen.export.ship import export
from smidgen.recipe import Recipe
from smidgen.report.page import charts_of, render, tables_of
from smidgen.report.svg import alone
from smidgen.show import card
from smidgen.spec import NetSpec
from smidgen.study.design.search import Candidate
from smidgen.study.design.story import command_of, plan_text
from smidgen.study.job import Origin
from smidgen.study.records import Records
from smidgen.study.status import Status
from smidgen.train import train
from smidgen.trial import Trial

SRC = Path(__file__).parents[1] / "src" / "smidgen"
HOSTILE = (
    *(text for text in TEXTS if text),
    "<img src=x onerror=owned()>",
    "a ??/",
    "ends in \\",
    "%s%n{0}{{ owned }}{% owned %}",
    "```owned```",
    "--owned=1",
    "=owned()",
    "\"\"\"owned'''",
    "TEXT UPPER NAME",
)
PLAIN = tuple(f"class-{place}" for place in range(len(HOSTILE)))
BOTH = {"plain": PLAIN, "hostile": HOSTILE}
TARGETS = {"onnx": (), "onnx-int8": (), "c": ("gcc",), "wasm": ("clang", "wasm-ld")}
IMAGES = 6  # a class


def whole(which: str) -> list[str]:
    """Return names without those that no file of UTF-8 can hold."""
    pairs = zip(BOTH[which], HOSTILE, strict=True)
    return [name for name, hostile in pairs if not re.search("[\ud800-\udfff]", hostile)]


class Form(HTMLParser):
    """The tags and attributes of a page, and what stands between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.drawn: set[str] = set()
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        plain = [(name, value) for name, value in attrs if name in ("src", "href", "type", "id")]
        found = (tag, [name for name, _ in attrs], plain)
        if "svg" in self._inside:  # a label that has no room is left out
            self.drawn.add(str(found))
        else:
            self.tags.append(found)
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if "svg" not in self._inside:
            self.tags.append(f"/{tag}")
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.tags.append(("unknown", data))

    def handle_pi(self, data: str) -> None:
        self.tags.append(("instruction", data))

    def handle_data(self, data: str) -> None:
        inside = self._inside[-1:]
        (self.scripts if inside in (["script"], ["style"]) else self.text).append(data)


def shape_of(value: object) -> object:
    """Return a form without its texts and numbers: keys, lengths and kinds."""
    if isinstance(value, Mapping):
        return {str(key): shape_of(of) for key, of in value.items()}
    if isinstance(value, list):
        return [shape_of(of) for of in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


def tokens_of_c(path: Path) -> str:
    """Return C with its macros, without its comments and the content of its strings."""
    command = ["gcc", "-E", "-dD", "-P", "-trigraphs", "-std=c99", "-Wall", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True)
    assert "warning" not in done.stderr, done.stderr
    if path.suffix == ".c":
        checked = ["gcc", "-fsyntax-only", "-trigraphs", "-std=c99", path.name]
        subprocess.run(checked, cwd=path.parent, check=True)
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', done.stdout)
    return re.sub(r"\b[0-9a-f]{12,}\b", "#", plain)  # hashes, of the data's names as well


def form_of_html(text: str) -> object:
    found = Form(text)
    scripts = [
        shape_of(json.loads(script)) if script.startswith("{") else script
        for script in found.scripts
    ]
    return found.tags, found.drawn, scripts


def form_of_svg(text: str) -> object:
    return {(of.tag, *sorted(of.attrib)) for of in ET.fromstring(text).iter()}


def form_of_markdown(text: str) -> object:
    """Return how many columns each line has: the bars that no backslash takes away."""
    return [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in text.split("\n")]


def form_of_onnx(path: Path) -> object:
    import onnx

    model = onnx.load(str(path))
    onnx.checker.check_model(model)
    return [node.op_type for node in model.graph.node], [of.key for of in model.metadata_props]


READERS: dict[str, Callable[[Path], object]] = {
    ".c": tokens_of_c,
    ".h": tokens_of_c,
    ".cpp": tokens_of_c,
    ".html": lambda path: form_of_html(path.read_text()),
    ".svg": lambda path: form_of_svg(path.read_text()),
    ".md": lambda path: form_of_markdown(path.read_text()),
    ".json": lambda path: shape_of(json.loads(path.read_text())),
    ".toml": lambda path: shape_of(tomllib.loads(path.read_text())),
    ".onnx": form_of_onnx,
    ".wasm": lambda path: path.read_bytes()[:4],
}


def data_of(names: Sequence[str]) -> Data:
    """Return data of these classes, whose own name is all of the names."""
    generator = np.random.Generator(np.random.PCG64(0))
    images = generator.integers(0, 256, (IMAGES * len(names), 8, 8), np.uint8)
    labels = np.arange(len(images)) % len(names)
    test = 255 - images[: len(names)], labels[: len(names)]
    return from_arrays(images, labels, names, name=" ".join(names)[:500], test=test)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a run of plain names and one of hostile names, of the same images."""
    folder = tmp_path_factory.mktemp("worlds")
    layers = ["conv(4)", "global-average-pool", f"classifier({len(HOSTILE)})"]
    spec = NetSpec.from_dict({"name": "tiny", "input": [1, 8, 8], "layers": layers})
    found: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for which, names in BOTH.items():
            found[which] = folder / which
            data = data_of(names)
            train(spec, data, recipe=Recipe(epochs=1), split="full", folder=found[which])
    return found


@pytest.mark.filterwarnings("ignore:.* of accuracy on the test images")
@pytest.mark.parametrize("target", TARGETS)
def test_exported_files_have_the_same_form(
    target: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [tool for tool in TARGETS[target] if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(runs["plain"].parent))
    forms: dict[str, dict[str, object]] = {}
    for which, run in runs.items():
        export(run, target, tmp_path / which)
        files = sorted(path for path in (tmp_path / which).rglob("*") if path.is_file())
        known = [path for path in files if path.suffix or path.name != "LICENSE"]
        assert {path.suffix for path in known} <= READERS.keys(), "say how such a file is read"
        forms[which] = {path.name: READERS[path.suffix](path) for path in known}
    assert forms["plain"].keys() == forms["hostile"].keys()
    for name, form in forms["plain"].items():
        assert form == forms["hostile"][name], name
    said = json.loads((tmp_path / "hostile" / "artefact.json").read_text())
    assert said["classes"] == list(HOSTILE)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_header_gives_every_name_as_it_was(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(runs["plain"].parent))
    out = tmp_path / "c"
    export(runs["hostile"], "c", out)
    header = next(path.name for path in out.glob("*.h") if "picture" not in path.name)
    upper = header.removesuffix(".h").upper()
    (out / "names.c").write_text(
        f'#include <stdio.h>\n#include "{header}"\nint main(void) {{\n'
        f"  static const char *const names[] = {upper}_CLASS_NAMES;\n"
        "  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)\n"
        "    fwrite(names[i], 1, LENGTHS[i], stdout), putchar('\\n');\n  return 0;\n}\n"
    )
    signs = [escape.whole(name).encode() for name in HOSTILE]  # one text, in C as in JSON
    lengths = f"-DLENGTHS=((int[]){{{', '.join(str(len(of)) for of in signs)}}})"
    command = ["gcc", "-std=c99", "-trigraphs", lengths, "-o", "names", "names.c"]
    subprocess.run(command, cwd=out, check=True)
    done = subprocess.run([out / "names"], capture_output=True, check=True)
    assert done.stdout == b"".join(of + b"\n" for of in signs)


def with_names(form: Any, names: Sequence[str], place: list[int]) -> Any:
    """Return rows in which every text that may be any text is one of the names in turn."""
    if isinstance(form, dict):
        kept = ("study", "studies", "split", "trained_on", "output", "right", "picture", "key",
                "fingerprint", "pictures")  # fmt: skip
        return {
            key: of if key in kept else with_names(of, names, place) for key, of in form.items()
        }
    if isinstance(form, list):
        return [with_names(of, names, place) for of in form]
    if isinstance(form, str):
        place[0] += 1
        return names[place[0] % len(names)]
    return form


@cache
def reports() -> dict[str, Records]:
    """Return what a store may hold, with plain names and with hostile ones."""
    answer = {"image": 3, "label": 0, "answer": 1, "probability": 0.9, "sure": True, "file": "f"}
    pictures: dict[str, Any] = {
        "wrong": [answer],
        "doubted": [answer],
        "pictures": {"test/3": png()},
    }
    rows = [seen(seed, **pictures) for seed in (0, 1)]
    rows += [row("other", [method], seed, 150) for method in ("a", "b") for seed in (0, 1)]
    found: dict[str, Records] = {}
    for which in BOTH:
        names = whole(which)
        renamed: list[dict[str, Any]] = []
        for of in rows:  # the columns that group rows are the same in all of them
            new = with_names(of, names, [0])
            new["net"] = names[0] if of["net"] == "mine" else names[1]
            new["data"], new["device"], new["recipe"] = names[2], names[4], {"optimizer": names[5]}
            new["methods"] = [names[6 + "ab".index(text)] for text in of["methods"]]
            new["classes"] = names[8:11] if "classes" in of else []
            renamed.append(new)
        told = [[name, name] for name in names]
        story = {
            "facts": told,
            "steps": [{"title": name, "lines": list(names)} for name in names],
            "methods": [{"method": of, "standing": "shown", "why": of} for of in names],
        }
        failed = tuple((name, name) for name in names)
        status = Status(len(rows), 0, len(failed), 0, None, failed)
        found[which] = Records(renamed, status, {"design": story, "commands": list(names)})
    return found


def page_of(which: str) -> str:
    names = whole(which)
    all_of_them = " ".join(names)
    return render(reports()[which], all_of_them, all_of_them, names, use=names, phase=all_of_them)


def test_a_report_has_the_same_form_and_holds_the_names() -> None:
    assert form_of_html(page_of("hostile")) == form_of_html(page_of("plain"))
    said = "".join(Form(page_of("hostile")).text)
    for name in ("<img src=x onerror=owned()>", "$(touch owned) `touch owned` ; touch owned"):
        assert name in said
    assert "\u202e" not in page_of("hostile")
    assert "\x1b" not in page_of("hostile")


def test_charts_have_the_same_form() -> None:
    forms = {
        which: [form_of_svg(alone(chart.wide)) for _, chart in charts_of(records)]
        for which, records in reports().items()
    }
    assert len(forms["plain"]) > 2
    assert forms["hostile"] == forms["plain"]


def test_markdown_has_the_same_form() -> None:
    texts = {
        which: "\n".join(table.to_markdown() for table in tables_of(records))
        for which, records in reports().items()
    }
    assert form_of_markdown(texts["hostile"]) == form_of_markdown(texts["plain"])
    assert not re.search(r"<\w|\]\(", texts["hostile"])
    assert all(line.isprintable() for line in texts["hostile"].split("\n"))


def test_cards_of_a_notebook_have_the_same_form() -> None:
    forms = [
        form_of_html(card(" ".join(of), " ".join(of), of, [of, of])) for of in (PLAIN, HOSTILE)
    ]
    assert forms[0] == forms[1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_plan_reads_back(name: str) -> None:
    layers = ["conv(4)", "global-average-pool", "classifier(10)"]
    spec = NetSpec.from_dict({"name": "tiny", "input": [1, 8, 8], "layers": layers})
    form = tomllib.loads(plan_text(Candidate(spec, (), Recipe()), name))
    assert form["data"] == re.sub("[\ud800-\udfff]", "\ufffd", name)
    assert form["recipe"] == Recipe().to_dict()
    assert NetSpec.from_dict(form["net"]) == spec


def words_of(line: str) -> list[str]:
    """Return what a shell makes of a line: its words, with nothing run."""
    script = f'smidgen() {{ printf "%s\\0" smidgen "$@"; }}\n{line}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=PATIENCE)
    return done.stdout.decode("utf-8", "surrogatepass").split("\0")[:-1]


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\x00" not in name])
def test_commands_that_are_shown_are_the_same_words(name: str) -> None:
    layers = ["conv(4)", "global-average-pool", "classifier(10)"]
    spec = NetSpec.from_dict({"name": "tiny", "input": [1, 8, 8], "layers": layers})
    trial = Trial(spec, (), Recipe(), 0, name, "f", "full")
    folder = Path("runs") / name
    lines = {
        trial.command(name, Preprocessing(8, 8, "grey", 1)): name,
        command_of(Origin(name), folder / "design.toml", folder, 0): str(folder),
        next_commands(folder, "predict")[0].removeprefix("next:").strip(): str(folder),
    }
    for line, word in lines.items():
        assert line.isprintable()
        assert "\n" not in line
        assert word in words_of(line)
        if name.isprintable():
            assert word in shlex.split(line)


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["smidgen", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def folder_of(names: Sequence[str], at: Path) -> Path:
    """Return a folder of pictures by class; no file's name holds a slash or a NUL."""
    for place, name in enumerate(names):
        inside = at / re.sub(r"[/\x00]", "_", f"{place:02d}{name}")
        inside.mkdir(parents=True)
        for number in range(IMAGES):
            picture = Image.new("L", (8, 8), (37 * place + 11 * number) % 256)
            picture.save(inside / re.sub(r"[/\x00]", "_", f"{number}{name}.png"))
    return at


@pytest.mark.filterwarnings("ignore")
def test_a_terminal_gets_no_control_characters_and_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    counts: dict[str, list[int]] = {}
    for which in BOTH:
        names = whole(which)[:12]
        at = tmp_path / which
        at.mkdir()
        monkeypatch.chdir(at)
        pictures = folder_of(names, at / "pictures")
        layers = ["conv(4)", "global-average-pool", f"classifier({len(names)})"]
        net = {"name": "tiny", "input": [1, 8, 8], "layers": layers}
        lines = [f"{key} = {json.dumps(value)}" for key, value in net.items()]
        (at / "net.toml").write_text("\n".join(lines))
        last = str(next(iter(max(pictures.iterdir()).iterdir())))
        for arguments in (
            ["inspect-data", str(pictures)],
            ["train", "net.toml", "--data", str(pictures), "--epochs", "1", "--out", "run"],
            ["evaluate", "run"],
            ["predict", "run", str(pictures)],
            ["predict", "run", last, "--csv", "answers.csv"],
            ["predict", "run", f"{last} no"],
        ):
            code = ended(arguments, monkeypatch)
            assert code == (2 if arguments[-1].endswith(" no") else 0), arguments
            out, err = capsys.readouterr()
            for line in (*out.split("\n"), *err.split("\n")):
                assert line.isprintable(), (arguments, line)
            counts.setdefault(" ".join(arguments[:1]), []).append(len(out.split("\n")))
        (read,) = csv.DictReader((at / "answers.csv").open(newline=""))
        assert read["picture"] == last
    monkeypatch.chdir(tmp_path)
    assert (
        counts["predict"][: len(counts["predict"]) // 2]
        == (counts["predict"][len(counts["predict"]) // 2 :])
    )


MODULES = sorted(SRC.rglob("*.py"))


def called(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_text_goes_out_through_one_module(path: Path) -> None:
    """What prints, quotes for a shell or writes JSON into a page is in one place."""
    place, text = str(path.relative_to(SRC)), path.read_text()
    if place != "escape.py":
        assert not re.search(r"^import (html|shlex)\b|from (html|shlex) import", text, re.MULTILINE)
        assert not re.search(r"f[\"']smidgen [a-z-]+ \{", text), "a command is made by escape.shell"
    if place != "cli/terminal.py":
        assert "print" not in called(path) or "bar.console.print(" in text


def test_templates_write_without_escaping_what_is_drawn_and_their_own_parts_alone() -> None:
    template = (SRC / "report" / "templates" / "page.html.j2").read_text()
    assert set(re.findall(r"\{\{ ?([\w.]+) ?\| ?safe", template)) <= {
        *("style", "script", "chart.wide", "chart.narrow")
    }
    assert not re.search(r"=\{\{", template), "an attribute's value stands in quotes"
