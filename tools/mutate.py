"""Make wrong edits of a module, one at a time, and count those that its tests notice.

    .venv/bin/python tools/mutate.py src/smidgen/data/splits.py tests/data/test_splits.py --most 40

A wrong edit is another comparison, another operation, a number one off, a condition turned round
or a statement left out. Each is made in a copy of src/ in a temporary folder; the tests run
against that copy. Survivors are printed as the line they stand in: each wants a test, or a reason
why it changes nothing. Exit status 1 where less than --least is noticed.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


def edits(node: ast.AST) -> Iterator[ast.AST]:
    """Yield wrong forms of one node."""
    changed = copy.deepcopy(node)
    match node:
        case ast.Compare(ops=[kind]) if type(kind) in COMPARISONS:
            changed.ops = [COMPARISONS[type(kind)]()]
            yield changed
        case ast.BinOp(op=kind) if type(kind) in OPERATIONS:
            changed.op = OPERATIONS[type(kind)]()
            yield changed
        case ast.BoolOp():
            changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield changed
        case ast.Constant(value=bool() as value):
            yield ast.copy_location(ast.Constant(not value), node)
        case ast.Constant(value=int() | float() as value):
            yield ast.copy_location(ast.Constant(value + 1), node)
        case ast.If() | ast.IfExp() | ast.While():
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield ast.fix_missing_locations(changed)
        case ast.Expr(value=ast.Call()) | ast.Assert() | ast.AugAssign():
            yield ast.copy_location(ast.Pass(), node)
        case _:
            pass


class Place(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return self.new
        return self.generic_visit(node)


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, what stood there, and the whole module with one wrong edit."""
    tree = ast.parse(source)
    hints = {
        id(inner)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for inner in ast.walk(hint)
    }
    lines = source.splitlines()
    for node in list(ast.walk(tree)):
        if id(node) in hints or not hasattr(node, "lineno"):
            continue
        for wrong in edits(node):
            fresh = ast.parse(source)
            place = next(other for other in ast.walk(fresh) if same_place(other, node))
            text = ast.unparse(Place(place, wrong).visit(fresh))
            what = f"{lines[node.lineno - 1].strip()}  ->  {ast.unparse(wrong).splitlines()[0]}"
            yield node.lineno, what, text


def same_place(one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes of the same text are of one kind and at one place."""
    where = ("lineno", "col_offset", "end_lineno", "end_col_offset")
    return type(one) is type(other) and all(
        getattr(one, name, None) == getattr(other, name, None) for name in where
    )


def noticed(module: Path, text: str, tests: list[str], seconds: float) -> bool:
    """Whether a test fails, or never ends, on the module with a wrong edit."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "src", Path(folder) / "src", symlinks=True)
        (Path(folder) / module.relative_to(ROOT)).write_text(text)
        environment = {**os.environ, "PYTHONPATH": f"{folder}/src", "CI": "true"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main() -> int:
    """Return 0 if enough wrong edits were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--most", type=int, default=50, help="edits, drawn from all there are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300, help="after which tests count as red")
    parser.add_argument("--least", type=float, default=0.95)
    asked = parser.parse_args()
    module = asked.module.resolve()
    source = module.read_text()
    if noticed(module, source, asked.tests, asked.seconds):
        parser.error("the tests are red without any wrong edit")
    found = list(mutants(source))
    drawn = random.Random(asked.seed).sample(found, min(asked.most, len(found)))
    survivors = []
    for line, what, text in sorted(drawn, key=lambda edit: edit[0]):
        if not noticed(module, text, asked.tests, asked.seconds):
            survivors.append(f"{asked.module}:{line}: {what}")
            print(survivors[-1], flush=True)
    killed = len(drawn) - len(survivors)
    print(f"{asked.module}: {killed} of {len(drawn)} noticed, {len(found)} possible")
    return int(killed < asked.least * len(drawn))


if __name__ == "__main__":
    sys.exit(main())
