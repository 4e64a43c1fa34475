"""Other packages are used by what they promise: by no name that begins with an underscore."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("src", "tests", "bench", "tools") for path in (ROOT / folder).rglob("*.py")
)
OURS = {"smidgen", "tests"}
PROMISED = {  # in spite of their names
    "os._exit",  # Python's manual has it
    "torch._fused_adamw_",  # operators of torch: tests/test_adamw.py holds them against its classes
    *("torch._foreach_mul", "torch._foreach_add_", "torch._foreach_sub_"),
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_names(text: str) -> set[str]:
    """Return the private modules and names of other packages that a module imports or reads."""
    tree = ast.parse(text)
    found: set[str] = set()
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [of.name for of in node.names]
            modules |= {of.asname or of.name.split(".")[0] for of in node.names}
        elif isinstance(node, ast.ImportFrom):
            dotted = [f"{node.module}.{of.name}" for of in node.names]
        else:
            continue
        for name in dotted:
            first, *rest = name.split(".")
            if first not in OURS and any(map(is_private, rest)):
                found.add(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in modules - OURS:
                found.add(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_name_of_another_package_is_used(path: Path) -> None:
    assert private_names(path.read_text()) <= PROMISED


def test_private_names_are_seen_in_every_form() -> None:
    text = "from typer import _click\nimport a._b as c\nimport torch\nimport sys\ntorch.d._e.f\n"
    found = private_names(f"{text}sys.__stdout__\nfrom smidgen.x import _y\nfrom . import _z\n")
    assert found >= {"typer._click", "a._b", "torch.d._e"}
    assert not any("smidgen" in name or "__stdout__" in name for name in found)


def test_what_is_needed_of_others_has_a_lowest_version() -> None:
    import tomllib

    form = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in form["dependencies"]:
        assert ">=" in name, name
    assert sys.version_info >= tuple(map(int, form["requires-python"].lstrip(">=").split(".")))
