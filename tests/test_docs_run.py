"""The Python of the pages runs: on a small model and small pictures in the place of a reader's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MADE = """
import numpy as np
import torch
from PIL import Image
import smidgen as sm

drawn = np.random.default_rng(0).integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
labels = [number % 2 for number in range(24)]
data = sm.data.from_arrays(drawn, labels, ["cat", "owl"], test=(drawn[::-1].copy(), labels))
net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), 2)
sm.train(net, data, recipe=sm.Recipe(epochs=1, batch_size=8), folder="mine")
sm.train(net, data, recipe=sm.Recipe(epochs=1, batch_size=8), split="selection", folder="runs/a")
for number, values in enumerate(drawn):
    folder = Path("photos", data.classes[labels[number]])
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(folder / f"{number}.png")
Image.fromarray(drawn[0]).save("a.jpg")
image, array = Image.fromarray(drawn[1]), drawn[2]
images, others, their_labels = drawn, drawn[::-1].copy() // 2, labels


class Pairs(torch.utils.data.Dataset):
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return 24

    def __getitem__(self, number):
        return Image.fromarray(self.values[number]), number % 2


torchvision_data_set, another_one = Pairs(drawn), Pairs(others)
"""
WITHOUT_CLANG = [('"wasm"', '"c"'), (", max_flash=16_000", "")]  # C may have no known flash
PAGES = {  # what stands in for a reader's own: (as written, as run)
    "data.md": [],
    "predict.md": [
        ('"99%"', '"1%"'),
        (
            '"runs/a", "runs/b"',
            '"mine", "mine", data=sm.data.from_arrays(others, labels, ["cat", "owl"])',
        ),
    ],
    "export.md": [
        ('"runs/mnist"', '"mine"'),
        *([] if shutil.which("clang") and shutil.which("wasm-ld") else WITHOUT_CLANG),
    ],
    "tracking.md": [],
    "plugins.md": [("\n@pytest", "\nchecks = method_checks(Cutout())\n@pytest")],
}


def code_of(page: str) -> str:
    found = re.findall(
        r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE
    )
    text = "\n".join(found)
    for written, run in PAGES[page]:
        assert written in text, written
        text = text.replace(written, run)
    return text


def test_every_page_with_python_is_run_or_is_a_design_of_the_past() -> None:
    with_python = {page.name for page in DOCS.glob("*.md") if "\n```python" in page.read_text()}
    # the reference imports alone; the studies' writes 8,000 pictures of CIFAR-10
    assert with_python - {"python.md", "studies.md"} == set(PAGES)


def test_the_python_of_the_pages_runs(tmp_path: Path) -> None:
    parts = ["from pathlib import Path", MADE]
    for page in PAGES:
        parts += [f'Path("at").write_text("{page}")', code_of(page)]
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "\n".join(parts) + '\nprint("all", len(checks) > 3)',
        ],
        cwd=tmp_path,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    at = (tmp_path / "at").read_text()
    assert done.returncode == 0, f"{at}: {done.stderr}"
    assert done.stdout.endswith("all True\n")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_python_to_run(page: str) -> None:
    assert len(code_of(page)) > 20
