"""Modules import only from their own floor or below, and never in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "smidgen"
FLOORS = [  # ground first; a name covers the module or package it starts
    {
        *(
            "tensors",
            "names",
            "escape",
            "text",
            "recipe",
            "flat",
            "adamw",
            "soap",
            "chance",
            "confusion",
        ),
        *("sizes", "limits", "files", "release", "extras", "show", "plugins"),
        *("places", "machine", "split_names", "torch_state"),
    },
    {"kernels", "layers", "data"},
    {"spec"},
    {"zoo", "methods"},
    {
        *(
            "runtime",
            "checkpoint",
            "trial",
            "run",
            "run_folder",
            "training",
            "train",
            "evaluate",
            "export",
        ),
        "fine_tune",
        *("answer", "model", "again", "progress", "hub", "robust", "starts", "sure", "teacher"),
    },
    {"study"},
    {"report"},
    {"config", "compare", "curve", "design", "studies", "testing", "share", "track"},
    {"cli", "__main__"},
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")
ONLY_THE_COMMAND_LINE_PRINTS = {"cli", "__main__"}


def home_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the dotted names under ``smidgen`` that a module imports, anywhere, in any form."""
    dotted: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            dotted += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            dotted += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.removeprefix("smidgen.") for name in dotted if name.startswith("smidgen.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_down(path: Path) -> None:
    home = home_of(path)
    assert home in FLOOR_OF, f"{home} needs a floor"
    for target in {name.split(".")[0] for name in imported(path)} - {home}:
        assert FLOOR_OF[target] <= FLOOR_OF[home], (
            f"{home} (floor {FLOOR_OF[home]}) imports {target} (floor {FLOOR_OF[target]})"
        )


def test_no_import_is_circular() -> None:
    names = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in MODULES}
    packages = {name.removesuffix(".__init__") for name in names if name.endswith(".__init__")}

    def module_of(dotted: str) -> str | None:
        if dotted in packages:
            return f"{dotted}.__init__"
        if dotted in names:
            return dotted
        parent = dotted.rpartition(".")[0]  # a name inside a module
        return module_of(parent) if parent else None

    graph = {
        name: {module_of(target) for target in imported(path)} - {None, name}
        for name, path in names.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_opens_with_a_sentence_and_keeps_out_of_others_streams(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module opens with one sentence"
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    prints = any(isinstance(call, ast.Name) and call.id == "print" for call in calls)
    assert not prints or home_of(path) in ONLY_THE_COMMAND_LINE_PRINTS


def test_files_of_text_are_read_and_written_alike_in_every_locale() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {keyword.arg for keyword in node.keywords}
                of_text = node.func.attr in ("read_text", "write_text")
                assert not of_text or "encoding" in named, f"{path}:{node.lineno}"
