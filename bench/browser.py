"""Time an image in Chromium, with SIMD128 and without, in rounds that alternate.

python bench/browser.py ARTEFACTS...    # folders of `smidgen export --to wasm`
"""

import argparse
import base64
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROUNDS, MS = 30, 25
SCRIPT = """([codes, rounds, ms]) => {
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const started = code => new WebAssembly.Instance(new WebAssembly.Module(bytes(code))).exports;
  const modules = codes.map(started);
  for (const module of modules) {
    const pixels = module.pixels();
    new Uint8Array(module.memory.buffer).fill(99, pixels, pixels + 64);
  }
  const times = modules.map(() => []);
  for (let round = 0; round < rounds; round++) modules.forEach((module, which) => {
    const start = performance.now();
    let count = 0, now = start;
    for (; now - start < ms; now = performance.now()) { module.run(); count++; }
    if (round > 4) times[which].push(1000 * (now - start) / count); // compiled anew before
  });
  return times;
}"""


def timed(browser: Any, folder: Path) -> dict[str, Any]:
    """Return microseconds an image of both modules in a folder, and their ratio round by round."""
    proof = json.loads((folder / "artefact.json").read_text())
    modules = [folder / proof["artefact"], *folder.glob("*.plain.wasm")]
    codes = [base64.b64encode(module.read_bytes()).decode() for module in modules]
    fast, plain = browser.new_page().evaluate(SCRIPT, [codes, ROUNDS, MS])
    ratios = sorted(other / one for one, other in zip(fast, plain, strict=True))
    middle = len(ratios) // 2
    return {
        "net": proof["net"],
        "bytes": [module.stat().st_size for module in modules],
        "us": [round(min(fast), 1), round(min(plain), 1)],
        "us_median": [round(sorted(times)[middle], 1) for times in (fast, plain)],
        "ratio_quartiles": [round(ratios[at * len(ratios) // 4], 2) for at in (1, 2, 3)],
        "browser": browser.version,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artefacts", nargs="+", type=Path)
    folders = parser.parse_args().artefacts
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for folder in folders:
            print(json.dumps(timed(browser, folder)))
        browser.close()


if __name__ == "__main__":
    main()
