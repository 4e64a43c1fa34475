"""Build the site: lay out its pages in build/docs, let Zensical make build/site of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from smidgen.cli import app

ROOT = Path(__file__).parents[1]
DOCS, NOTEBOOKS, BUILD = ROOT / "docs", ROOT / "notebooks", ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
FETCHED = "https://unpkg.com/iframe-worker/shim"  # which Zensical's pages would ask for
WORKER = Path("assets", "javascripts", "worker_of_files.js")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def main() -> None:
    """Build it anew; a warning is an error."""
    lay_out()
    shutil.rmtree(SITE, ignore_errors=True)
    tools = Path(sys.executable).parent
    within = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        [tools / "zensical", "build", "--strict"], cwd=ROOT, env=within, check=False
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    alone()


def alone() -> None:
    """Let no page ask for anything from elsewhere."""
    shutil.copy(ROOT / "tools" / WORKER.name, SITE / WORKER)
    for page in SITE.rglob("*.html"):
        up = "../" * (len(page.relative_to(SITE).parts) - 1)
        page.write_text(page.read_text().replace(FETCHED, f"{up}{WORKER.as_posix()}"))


def lay_out() -> None:
    """Write what Zensical reads: pages, the command line's reference, notebooks."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(DOCS, BUILD)
    shutil.copy(ROOT / "CHANGELOG.md", BUILD / "changelog.md")
    (BUILD / "commands.md").write_text(commands())
    (BUILD / "notebooks").mkdir()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        (BUILD / "notebooks" / f"{path.stem}.md").write_text(page_of(path))
    for path in BUILD.rglob("*.md"):
        path.write_text(inside(path.read_text(), path))


def inside(text: str, page: Path) -> str:
    """Return a page with links to the pages of notebooks; other ways out are names alone."""

    def told(found: re.Match[str]) -> str:
        image, label, target, _ = found.groups()
        if (DOCS / page.relative_to(BUILD)).parent.joinpath(target).resolve().parent == NOTEBOOKS:
            made = os.path.relpath(BUILD / "notebooks" / f"{Path(target).stem}.md", page.parent)
            return f"[{label}]({Path(made).as_posix()})"
        if re.match(r"[a-z]+:", target) or (page.parent / target).resolve().exists():
            if (page.parent / target).resolve().is_dir():
                return f"{label} (`{Path(target).name}/`)"
            return found[0]
        leads = (DOCS / page.relative_to(BUILD)).parent / target
        name = leads.resolve().relative_to(ROOT)
        assert not image, f"{page.name} shows a picture that is not there: {target}"
        return f"`{name}`" if label in (str(name), name.name) else f"{label} (`{name}`)"

    parts = CODE.split(text)
    return "".join(part if place % 2 else LINK.sub(told, part) for place, part in enumerate(parts))


def commands() -> str:
    """Return the reference of the command line, from the command line itself."""
    group: Any = get_command(app)
    parts = [
        "# Command line",
        "`smidgen COMMAND --help` says the same. Bad input is one line and exit status 2; what was"
        " interrupted is 130.",
        "## smidgen",
        _options(group),
    ]
    for name, command in group.commands.items():
        context = command.make_context(name, [], resilient_parsing=True)
        pieces = " ".join(command.collect_usage_pieces(context))
        parts += [
            f"## smidgen {name}",
            _paragraphs(command.help or ""),
            f"```text\nsmidgen {name} {pieces}\n```",
            _options(command),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _options(command: Any) -> str:
    context = command.context_class(command, info_name=command.name)
    rows: list[str] = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        record = parameter.get_help_record(context)
        if record is None:
            name, said = parameter.make_metavar(context), getattr(parameter, "help", "")
        else:
            name, said = record
        rows.append(f"| <code>{_cell(name)}</code> | {_cell(said or '')} |")
    if not rows:
        return ""
    return "\n".join(["| argument or option | what it says |", "| --- | --- |", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "&#124;<wbr>")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def page_of(notebook: Path) -> str:
    """Return a notebook as a page: its texts, its code, what the code printed."""
    parts: list[str] = []
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"]).rstrip()
        if cell["cell_type"] == "markdown":
            parts.append(source.replace("(../docs/", "(../").replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```python\n{source}\n```")
        printed = "".join("".join(out.get("text", "")) for out in cell["outputs"]).rstrip()
        if printed:
            parts.append(f"```text\n{printed}\n```")
    parts.append(f"*This page is `notebooks/{notebook.name}` of the repository, run in its tests.*")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
