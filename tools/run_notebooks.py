"""Run the notebooks from top to bottom in an empty folder, and keep what each cell printed."""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run(path: Path) -> None:
    """Run one, and write it back with what it printed."""
    book = json.loads(path.read_text())
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as checkout, contextlib.chdir(checkout):
        Path("results").symlink_to(ROOT / "results")
        Path("notebooks").mkdir()
        os.chdir("notebooks")  # where they are opened
        for number, cell in enumerate(one for one in book["cells"] if one["cell_type"] == "code"):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec("".join(cell["source"]), names)  # our own
            lines = said.getvalue().splitlines(keepends=True)
            output = {"name": "stdout", "output_type": "stream", "text": lines}
            cell |= {"execution_count": number + 1, "outputs": [output] if lines else []}
    path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        run(notebook)
