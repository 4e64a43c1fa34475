"""What the pages show works: commands parse, Python compiles or runs, links lead somewhere."""

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.core import TyperArgument
from typer.main import get_command

import smidgen
from smidgen.cli import app
from smidgen.export.targets import TARGETS
from smidgen.layers import LAYERS
from smidgen.methods import METHODS
from smidgen.methods.base import BatchMethod

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LANGUAGES = {"sh", "python", "toml", "c", "js", "text", "json", ""}
MADE = {"commands.md", "changelog.md", *(f"notebooks/{path.stem}.md" for path in NOTEBOOKS)}


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [text for _, named, text in found if named == language]


def name_of(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)[:60]


def commands() -> list[tuple[Path, str]]:
    """Return the lines of shell of all pages, one of several lines joined."""
    return [
        (page, line.split(" # ")[0].strip())
        for page in PAGES
        for text in blocks(page, "sh")
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]


@pytest.mark.parametrize(("page", "line"), commands(), ids=name_of)
def test_every_shell_line_is_one_that_works(page: Path, line: str) -> None:
    line = line.split(" | ")[-1].split(" && ")[-1]
    words = shlex.split(line.partition(" > ")[0])
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]  # of the environment
    program = Path(words[0]).name
    if program == "smidgen":
        known: Any = get_command(app)
        if words[1].startswith("-"):
            assert words[1] in {"--help", *(name for one in known.params for name in one.opts)}
        else:
            assert words[1] in known.commands, line
            assert known.commands[words[1]].make_context(words[1], words[2:]).params
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), line
    elif program in ("python", "pytest"):
        files = [word for word in words[1:] if word.endswith(".py")]
        assert all((ROOT / word).exists() for word in files), line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_language_and_reads(page: Path) -> None:
    for language in re.findall(r"^ *```(\w+)$", page.read_text(), re.MULTILINE):
        assert language in LANGUAGES
    for text in blocks(page, "toml"):
        tomllib.loads(text)
    for text in blocks(page, "json"):
        json.loads(text)
    for text in blocks(page, "python"):
        ast.parse(text)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=name_of)
def test_every_table_has_a_heading_and_rows_as_wide(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert re.fullmatch(r"[|: -]+", table.splitlines()[1]), table
        assert set(widths) == {widths[0]}, table


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)]*)?\)", page.read_text()):
        leads = (page.parent / target).resolve() if target else page
        assert leads.exists(), target
        if anchor and leads.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", leads.read_text(), re.MULTILINE)
            assert anchor[1:] in {slug_of(heading) for heading in headings}, f"{target}{anchor}"


def slug_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_every_page_is_in_the_menu_or_linked_and_the_menu_holds_pages() -> None:
    def leaves(menu: Any) -> list[str]:
        if isinstance(menu, str):
            return [menu]
        held = menu if isinstance(menu, list) else menu.values()
        return [leaf for part in held for leaf in leaves(part)]

    named = leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert len(named) == len(set(named))
    assert set(named) <= pages | MADE
    linked = "".join(page.read_text() for page in PAGES) + (ROOT / "README.md").read_text()
    for name in (pages | MADE) - set(named):
        assert f"{Path(name).name})" in linked or f"{Path(name).name}#" in linked, name


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=name_of)
def test_a_reader_of_another_page_is_led_to_every_page(page: Path) -> None:
    others = [ROOT / "README.md", *(other for other in PAGES if other != page)]
    links = [
        (of.parent, to) for of in others for to in re.findall(r"\]\(([^)#\s]+)", of.read_text())
    ]
    assert any((folder / to).resolve() == page for folder, to in links)


def test_the_readme_leads_to_the_newcomer_s_page_on_its_first_screen() -> None:
    first = (ROOT / "README.md").read_text().splitlines()[:25]
    assert any("Start here" in line and "(docs/photographs.md)" in line for line in first)


def test_the_page_of_python_shows_a_call_of_every_public_name() -> None:
    page = (ROOT / "docs" / "python.md").read_text().partition("\n:::")[0]
    calls = re.findall(r"^\| `([^`]+)` \|.*\| `([^`]+)` \|$", page, re.MULTILINE)
    inside = {"sm.data", "sm.zoo"}  # whose functions have a line each
    assert {f"sm.{name}" for name in smidgen.__all__} - inside <= {name for name, _ in calls}
    for name, call in calls:
        ast.parse(call)
        assert name.rpartition(".")[2] in call


def test_the_start_shows_its_lines_whole_and_the_style_is_there() -> None:
    lines = "".join(blocks(ROOT / "docs" / "index.md", "sh")).splitlines()
    assert max(map(len, lines)) <= 80, "a window of 1,280 pixels shows 80 letters of a line"
    styles = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["extra_css"]
    assert all((ROOT / "docs" / name).is_file() for name in styles)


@pytest.mark.parametrize("name", [kind.name for kind in METHODS])
def test_every_method_has_its_card_with_a_picture_if_it_changes_pictures(name: str) -> None:
    text = (ROOT / "docs" / "methods.md").read_text()
    card = re.search(rf"^### {name}$.*?(?=^##)", text + "\n## ", re.DOTALL | re.MULTILINE)
    assert card, name
    kind = next(kind for kind in METHODS if kind.name == name)
    if issubclass(kind, BatchMethod) and name not in tool("method_pictures").UNSEEN:
        assert f"(pictures/{name}.png)" in card[0]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pictures_of_methods_show_what_they_do_today() -> None:
    drawing = tool("method_pictures")
    for kind in drawing.kinds():
        kept = np.asarray(Image.open(ROOT / "docs" / "pictures" / f"{kind.name}.png"), np.int16)
        made = np.asarray(drawing.drawn(kind), np.int16)
        assert abs(kept - made).max() <= 2, f"{kind.name}: tools/method_pictures.py draws it anew"


@pytest.fixture(scope="module")
def site() -> ModuleType:
    return tool("site")


def test_the_reference_of_commands_names_every_one_with_every_option(site: ModuleType) -> None:
    text = site.commands()
    known: Any = get_command(app)
    for name, command in known.commands.items():
        section = text.partition(f"## smidgen {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if not isinstance(parameter, TyperArgument):
                assert parameter.opts[0] in section, f"{name} {parameter.opts[0]}"


def test_every_option_stands_in_a_page_and_the_synopsis_of_export_has_all_of_its() -> None:
    pages = [*PAGES, ROOT / "README.md"]
    told = "".join(page.read_text() for page in pages if page.name != "log.md")
    known: Any = get_command(app)
    for name, command in known.commands.items():
        for one in command.params:
            if not isinstance(one, TyperArgument):
                assert re.search(rf"{one.opts[0]}(?![\w-])", told), f"{name} {one.opts[0]}"
    synopsis = (ROOT / "docs" / "export.md").read_text().partition("```\n")[2].partition("```")[0]
    for one in known.commands["export"].params:
        assert isinstance(one, TyperArgument) or one.opts[0] in synopsis, one.opts


def test_the_help_of_export_names_every_target() -> None:
    known: Any = get_command(app)
    told = next(one.help for one in known.commands["export"].params if one.name == "to")
    assert re.findall(r"[\w-]+", told.replace(" or ", " ")) == [*TARGETS]


def test_the_reference_of_python_has_every_method_and_layer() -> None:
    lists = re.findall(r"members: \[(.*)\]", (ROOT / "docs" / "python.md").read_text())
    layers, methods = (one.split(", ") for one in lists)
    assert methods == [kind.__name__ for kind in METHODS]
    assert sorted(layers) == sorted(kind.__name__ for kind in LAYERS)


def test_the_reference_of_python_has_what_pages_and_notebooks_call() -> None:
    told = (ROOT / "docs" / "python.md").read_text()
    shown = [text for page in PAGES for text in blocks(page, "python")]
    cells = [cell for path in NOTEBOOKS for cell in json.loads(path.read_text())["cells"]]
    code = "\n".join([*shown, *("".join(cell["source"]) for cell in cells)])
    for called in sorted(set(re.findall(r"\bsm\.([\w.]+)\(", code))):
        assert re.search(rf"\b{called.rpartition('.')[2]}\b", told), called


def test_every_heading_of_a_design_page_is_explained() -> None:
    told = (ROOT / "docs" / "report.md").read_text().lower()
    pages = list((ROOT / "results").glob("design-*/report.html"))
    assert len(pages) >= 3
    for page in pages:
        headings = re.findall(r"<h3[^>]*>([^<]+)", page.read_text())
        assert headings, page
        for heading in headings:
            name = heading.strip().lower().partition(" on ")[0].replace(" of test images", "")
            assert name in told, heading


def test_long_choices_may_be_broken_between_their_words(site: ModuleType) -> None:
    assert "<code>nets&#124;<wbr>methods&#124;<wbr>data" in site.commands()


def test_a_link_out_of_the_site_is_the_name_of_its_file(site: ModuleType) -> None:
    page = site.BUILD / "decisions" / "x.md"
    told = site.inside(
        "see [rows](../../results/records.jsonl), [log](https://a.b/c) `[a](b)`", page
    )
    assert told == "see rows (`results/records.jsonl`), [log](https://a.b/c) `[a](b)`"
    assert site.inside("[one](../../notebooks/firmware.ipynb)", page) == (
        "[one](../notebooks/firmware.md)"
    )


def written_by(code: str) -> list[ast.expr]:
    """Return where lines of Python put files: ``folder=``, ``out=`` and what is saved."""
    found: list[ast.expr] = []
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        found += [given.value for given in call.keywords if given.arg in ("folder", "out")]
        if isinstance(call.func, ast.Attribute) and call.func.attr == "save":
            found.append(call.args[0])
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_can_be_run_again_for_it_writes_to_a_new_folder(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for place in written_by(code):
        assert ast.unparse(place).startswith("place / ")
    assert ("tempfile.mkdtemp()" in code) == bool(written_by(code))


def rows_of(name: str) -> list[dict[str, Any]]:
    lines = (ROOT / "results" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_figures_of_cores_are_those_of_the_rows() -> None:
    page = (ROOT / "docs" / "microcontrollers.md").read_text()
    table = page.partition("## Figures")[2].partition("\n##")[0]
    rows = {
        (row["net"], row["methods"].partition(":")[0], row["core"], row["optimize"]): row
        for row in rows_of("cores")
    }
    known = {"M0+": "m0plus", "RISC-V": "riscv", "M3": "m3", "M4": "m4", "M7": "m7", "M55": "m55"}
    changes = {"BlurPool": "blurpool", "squeeze-and-excitation": "blurpool,squeeze-excite"}
    net, methods, held = "", "", 0
    for line in table.splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if len(cells) != 5 or cells[1].partition(",")[0] not in known:
            continue
        if cells[0].startswith("with "):
            methods = [value for word, value in changes.items() if word in cells[0]][-1]
        elif cells[0]:
            named = re.match("`(.*?)`", cells[0])
            net, methods = named[1] if named else "dw-19568", ""
        core, _, how = cells[1].partition(", ")
        row = rows[net, methods, known[core], "flash" if how else "speed"]
        said = cells[4].replace("*", "").partition(" M")[0]
        places = len(said.partition(".")[2])
        shown = [cells[2], cells[3], said]
        made = [f"{row['flash']:,}", f"{row['ram']:,}", f"{row['instructions'] / 1e6:.{places}f}"]
        assert shown == made, line
        held += 1
    assert held > 30


def test_flash_and_ram_of_the_readme_are_those_of_rows() -> None:
    table = (ROOT / "README.md").read_text().partition("As int8 C on a Cortex-M4")[2]
    shown = re.findall(r"^\|.*?\| ([\d,]+) \| ([\d,]+) \| [\d.]+ M \|", table, re.MULTILINE)
    rows = rows_of("records-int8") + [row for row in rows_of("cores") if row["core"] == "m4"]
    assert len(shown) == 4
    assert set(shown) <= {(f"{row['flash']:,}", f"{row['ram']:,}") for row in rows}


def test_notebooks_show_what_the_version_of_now_prints() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    told = {v for path in NOTEBOOKS for v in re.findall(r'smidgen (\d[^\\" ]*)', path.read_text())}
    assert told == {version}, "tools/run_notebooks.py runs them anew"


@pytest.fixture(scope="module")
def beside_notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which notebooks are opened: that of all of them, in a checkout."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "results").symlink_to(ROOT / "results")
    (checkout / "notebooks").mkdir()
    return checkout / "notebooks"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_from_top_to_bottom_beside_the_others(
    notebook: Path, beside_notebooks: Path
) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert len(cells) > 5
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=beside_notebooks,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 4
    kept = "".join(
        line for cell in cells for out in cell.get("outputs", ()) for line in out["text"]
    )
    read = without_training if "sm.train" in code else str
    assert read(done.stdout) == read(kept), "tools/run_notebooks.py runs it anew"


def without_training(printed: str) -> str:
    """Return what was printed but for what training ends in on one processor, and tools measure."""
    printed = re.sub(r"(?m)^((?:float_)?accuracy|agreement|flash|ram) .*$", r"\1", printed)
    return re.sub(r"(_MADE_OF_|_TEST_CORRECT |_SCALE )\S+|[\d.]+ %", r"\1", printed)


def test_what_training_ends_in_is_all_that_a_notebook_may_show_otherwise() -> None:
    one = "accuracy 0.9\n#define A_MADE_OF_8d931c 1\n#define A_TEST_CORRECT 328\n98.1 % of 360\n"
    other = one.replace("0.9", "0.8").replace("8d931c", "839c0f").replace("328", "9")
    other = other.replace("98.1", "99.2")
    assert without_training(one) == without_training(other)
    for changed in (" 1\n", "#define", "of 360", "accuracy"):
        assert without_training(one.replace(changed, "x")) != without_training(one)
