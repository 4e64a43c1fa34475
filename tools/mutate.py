"""Make wrong edits of modules, one at a time, and count those that their tests notice.

    .venv/bin/python tools/mutate.py src/smidgen/data/splits.py tests/data/test_splits.py --most 40
    .venv/bin/python tools/mutate.py src/smidgen/data/splits.py  # its tests: mutants.txt
    .venv/bin/python tools/mutate.py --list tools/mutants.txt --rows rows.jsonl

A wrong edit is another comparison, another operation, a number one off, a condition turned round,
the other one of min and max, or a statement left out. Nothing is edited in type hints, decorators,
assertions and ``strict=`` of zip: they only guard, so that no test of right code can tell.

The tests run on a copy of src/ in a temporary folder that holds the wrong edit, in a process that
begins as a copy of this one, which has read the libraries already but no module that reads the
edited one. The shapes in signatures are not checked there, which is slow and could only notice
more. Tests must be green without an edit; then an edit counts as noticed if they are red, or take
twenty times as long. Survivors are printed as the line they stand in: each wants a
test, or a reason why it changes nothing. Rows go to --rows, and what has one is not tried again;
--again tries the survivors among them once more.
"""

import argparse
import ast
import contextlib
import copy
import gc
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = Path(__file__).with_name("mutants.txt")
EQUIVALENT = Path(__file__).with_name("equivalent.tsv")
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
OTHER = {"min": "max", "max": "min"}
ALIKE = (
    *("--import-mode=importlib", "--strict-markers", "--strict-config", "-q", "-x"),
    *("-o", "addopts=", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of libraries that are read already
)
LIBRARIES = (
    *(
        "torch",
        "numpy",
        "scipy.stats",
        "scipy.special",
        "safetensors.torch",
        "jaxtyping",
        "PIL.Image",
    ),
    *("sklearn.datasets", "pydantic", "typer.testing", "rich.console", "beartype", "hypothesis"),
    *("pytest", "anyio.pytest_plugin", "hypothesis.extra.numpy"),
)
LEFT_OUT = "not slow and not gpu and not browser and not mcu"


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
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Call(func=ast.Name(id=name)) if name in OTHER:
            changed.func = ast.Name(OTHER[name], ast.Load())
            yield ast.fix_missing_locations(changed)
        case _:
            pass


class Place(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def guards(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that compute nothing."""
    for name in ("annotation", "returns"):
        if hint := getattr(node, name, None):
            yield hint
    yield from getattr(node, "decorator_list", ())
    match node:
        case ast.Assert():
            yield node
        case ast.Call(func=ast.Name(id="zip")):
            yield from node.keywords
        case _:
            pass


def mutants(source: str) -> list[tuple[int, str, ast.Module, ast.AST, ast.AST]]:
    """Return the line, what stood there and stands now, and how to make it, of every wrong edit."""
    tree = ast.parse(source)
    left = {
        id(inner) for node in ast.walk(tree) for guard in guards(node) for inner in ast.walk(guard)
    }
    lines, found = source.splitlines(), []
    for node in ast.walk(tree):
        if id(node) in left or not hasattr(node, "lineno"):
            continue
        for wrong in edits(node):
            at = f"{node.lineno}.{node.col_offset}"
            now = ast.unparse(wrong).splitlines()[0]
            what = f"{at} {lines[node.lineno - 1].strip()}  ->  {now}"
            found.append((node.lineno, what, tree, node, wrong))
    return found


def text_of(tree: ast.Module, node: ast.AST, wrong: ast.AST) -> str:
    """Return a module with one wrong edit, and leave the tree as it was."""
    memo: dict[int, ast.AST] = {}
    fresh = copy.deepcopy(tree, memo)
    return ast.unparse(Place(memo[id(node)], wrong).visit(fresh))


def imports(folder: Path) -> dict[str, set[str]]:
    """Return what every module of a package reads as it is imported, its own packages too."""
    names = {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for path in folder.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        wanted = {name}
        waiting: list[ast.AST] = [ast.parse(path.read_text())]
        while waiting:
            node = waiting.pop()
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    continue
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    continue
                case ast.Import():
                    wanted |= {alias.name for alias in node.names}
                case ast.ImportFrom(module=str() as module):
                    wanted |= {f"{module}.{alias.name}" for alias in node.names} | {module}
                case _:
                    waiting += ast.iter_child_nodes(node)
        parts = [one.split(".") for one in wanted]
        packages = {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}
        found[name] = packages & names.keys()
    return found


def readers(graph: dict[str, set[str]], name: str) -> set[str]:
    """Return every module that reads another one, itself or through others."""
    found, before = {name}, set[str]()
    while found != before:
        before = set(found)
        found |= {one for one, reads in graph.items() if reads & found}
    return found


class Bench:
    """A copy of src/, and processes in which tests run on it."""

    def __init__(self, folder: Path, module: Path, tests: list[str]) -> None:
        self.folder, self.tests = folder, tests
        shutil.copytree(ROOT / "src", folder / "src", symlinks=True)
        self.path = folder / module.relative_to(ROOT)
        parts = module.relative_to(ROOT / "src").with_suffix("").parts
        self.name = ".".join(parts).removesuffix(".__init__")
        sys.path[:] = [str(folder / "src"), str(ROOT)] + [
            place for place in sys.path if not place.endswith("/src")
        ]
        os.environ |= {"PYTHONPATH": str(folder / "src"), "CI": "true"}
        self._times = 0

    def warm(self, read: list[str]) -> None:
        """Import what tests need, but nothing that reads the module to be edited."""
        import torch
        from hypothesis import HealthCheck, Phase, settings

        torch.set_num_threads(1)
        # the cases of CI; the smallest of those that fail is not searched for
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile(
            "edits",
            max_examples=25,
            deadline=None,
            derandomize=True,
            phases=phases,
            suppress_health_check=[HealthCheck.too_slow],
        )
        os.environ["HYPOTHESIS_PROFILE"] = "edits"
        late = readers(imports(self.folder / "src"), self.name)
        for name in read:
            if name not in late:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        assert self.name not in sys.modules, f"{self.name} was read too early"
        gc.freeze()  # copies need not look through it for garbage

    def run(self, text: str, seconds: float) -> tuple[bool, str, list[str]]:
        """Return whether tests are red, which one, and every module that was read."""
        self.path.unlink(missing_ok=True)
        self.path.write_text(text)
        self._times += 1  # compiled forms are told apart by the second of the change
        os.utime(self.path, (1_000_000_000 + self._times,) * 2)
        note = self.folder / "note"
        note.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            self._test(note)
        ended, state = self._waited(child, seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not ended:
            os.waitpid(child, 0)
            return True, f"more than {seconds:.0f} s", []
        said = json.loads(note.read_text()) if note.exists() else {"first": "ended", "read": []}
        return state != 0, said["first"], said["read"]

    def _waited(self, child: int, seconds: float) -> tuple[bool, int]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found, state = os.waitpid(child, os.WNOHANG)
            if found:
                return True, state
            time.sleep(0.02)
        return False, 0

    def _test(self, note: Path) -> None:
        """Run the tests, in a process of their own, and end it."""
        os.setpgid(0, 0)
        out = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.dont_write_bytecode = self._times > 1  # the first run compiles what all others read
        os.chdir(ROOT)
        status = 3
        try:
            import pytest

            first = First()
            arguments = [*ALIKE, "-m", LEFT_OUT, *self.tests]
            status = int(pytest.main(arguments, plugins=[first]))
            kept = [name for name in sys.modules if not name.startswith("tests")]
            note.write_text(json.dumps({"first": first.name, "read": kept}))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


class First:
    """Notes the first test that fails."""

    name = ""

    def pytest_runtest_logreport(self, report) -> None:  # noqa: ANN001 - pytest's own
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report) -> None:  # noqa: ANN001
        if report.failed and not self.name:
            self.name = report.nodeid


def tried(asked: argparse.Namespace, rows: list[dict]) -> Iterator[dict]:
    """Yield a row for every wrong edit that is drawn and has none."""
    module = asked.module.resolve()
    source = module.read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    found = mutants(source)
    random.Random(asked.seed).shuffle(found)
    drawn = found[: asked.most]  # of fewer are among those of more
    known = {row["edit"]: row["noticed"] for row in rows if row["source"] == digest}
    if asked.again:
        wanted = [one for one in drawn if known.get(one[1]) is False]
    else:
        wanted = [one for one in drawn if one[1] not in known]
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), module, asked.tests)
        red, first, read = bench.run(source, 1800)
        if not red:
            bench.warm(read)
            start = time.monotonic()
            red, first, _ = bench.run(source, 1800)
        if red:
            print((Path(folder) / "said").read_text()[-3000:], file=sys.stderr)
            sys.exit(f"{asked.module}: red without any wrong edit: {first}")
        seconds = max(60.0, 20 * (time.monotonic() - start))
        for _, what, tree, node, wrong in sorted(wanted, key=lambda one: one[0]):
            start = time.monotonic()
            red, first, _ = bench.run(text_of(tree, node, wrong), seconds)
            yield {
                "module": str(module.relative_to(ROOT)),
                "source": digest,
                "possible": len(found),
                "seed": asked.seed,
                "edit": what,
                "noticed": red,
                "by": first,
                "seconds": round(time.monotonic() - start, 1),
            }


def main() -> int:
    """Return 0 if enough wrong edits of every module were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", type=Path, nargs="?")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--list", type=Path, help="lines of a module and its tests, for many")
    parser.add_argument("--most", type=int, default=50, help="edits, drawn from all there are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="of JSON, a line an edit; goes on from there")
    parser.add_argument("--again", action="store_true", help="try survivors of --rows once more")
    parser.add_argument("--table", action="store_true", help="tell what --rows hold, as Markdown")
    parser.add_argument("--least", type=float, default=0.95)
    asked = parser.parse_args()
    if asked.table:
        return table([json.loads(line) for line in asked.rows.read_text().splitlines()])
    if asked.list is None:
        asked.tests = asked.tests or tests_of(asked.module)
        return judged(asked)
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    worst = 0
    for line in asked.list.read_text().splitlines():
        module, *tests = line.split()
        child = os.fork()  # from here on modules of smidgen are read
        if not child:
            asked.module, asked.tests = Path(module), tests
            status = 2
            try:
                status = judged(asked)
            except SystemExit as error:
                print(error, flush=True)
            finally:
                sys.stdout.flush()
                os._exit(status)
        worst = max(worst, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return worst


def tests_of(module: Path) -> list[str]:
    """Return the tests that stand beside a module in the list."""
    lines = [line.split() for line in TESTS.read_text().splitlines()]
    return next(tests for name, *tests in lines if Path(name) == module)


def table(rows: list[dict]) -> int:
    """Print what became of wrong edits, the last time that each was tried."""
    idle = equivalent()
    last = {(row["module"], row["edit"]): row for row in rows}
    newest = {row["module"]: row["source"] for row in rows}
    modules: dict[str, list[dict]] = {}
    for row in last.values():
        if row["source"] != newest[row["module"]]:
            continue
        modules.setdefault(row["module"], []).append(row)
    print(
        "| module | tried | of | noticed | equivalent | surviving |\n|---|---:|---:|---:|---:|---:|"
    )
    total = [0, 0, 0, 0, 0]
    for module, tried_ in sorted(modules.items()):
        left = [row for row in tried_ if not row["noticed"]]
        same = sum((module, row["edit"].split(" ", 1)[1]) in idle for row in left)
        noticed = len(tried_) - len(left)
        figures = [len(tried_), tried_[-1]["possible"], noticed, same, len(left) - same]
        total = [a + b for a, b in zip(total, figures, strict=True)]
        name = module.removeprefix("src/smidgen/")
        print(f"| `{name}` | {' | '.join(str(figure) for figure in figures)} |")
    print(f"| all | {' | '.join(str(figure) for figure in total)} |")
    return 0


def equivalent() -> set[tuple[str, ...]]:
    """Return the modules and edits that are known to change nothing."""
    lines = EQUIVALENT.read_text().splitlines()
    return {tuple(line.split("\t")[:2]) for line in lines if line and not line.startswith("#")}


def judged(asked: argparse.Namespace) -> int:
    """Return 0 if enough wrong edits of one module as it stands were noticed, now or before."""
    held = asked.rows.read_text() if asked.rows and asked.rows.exists() else ""
    rows = [json.loads(line) for line in held.splitlines()]
    done = []
    for row in tried(asked, rows):
        done.append(row)
        if not row["noticed"]:
            print(f"{row['module']}:{row['edit']}", flush=True)
        if asked.rows:
            with asked.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
    digest = hashlib.sha256(asked.module.resolve().read_bytes()).hexdigest()[:12]
    last = {row["edit"]: row for row in (*rows, *done) if row["source"] == digest}
    idle = {edit for module, edit in equivalent() if module == str(asked.module)}
    counted = [
        row for row in last.values() if row["noticed"] or row["edit"].split(" ", 1)[1] not in idle
    ]
    killed = sum(row["noticed"] for row in counted)
    print(f"{asked.module}: {killed} of {len(counted)} noticed, {len(done)} tried now", flush=True)
    return int(killed < asked.least * len(counted))


if __name__ == "__main__":
    sys.exit(main())
