"""What Arm's Vela makes of TFLite files for an Ethos-U55: cycles, SRAM and flash from its report.

``python bench/vela.py NET.tflite ...``; a table for people, and rows in results/vela.jsonl.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ACCELERATOR = "ethos-u55-128"  # multiply-accumulates a cycle
ROWS = Path(__file__).parents[1] / "results" / "vela.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--accelerator", default=ACCELERATOR)
    parser.add_argument("--out", type=Path, default=ROWS)
    asked = parser.parse_args()
    rows = [compiled(file, asked.accelerator) for file in asked.files]
    print("| net | on the NPU | cycles | at 500 MHz | SRAM | flash |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        cells = [
            f"`{row['net']}`",
            f"{row['npu_operators']} of {row['npu_operators'] + row['cpu_operators']}",
            f"{row['cycles']:,}",
            f"{row['microseconds']:,.0f} µs",
            f"{row['sram']:,}",
            f"{row['flash']:,}",
        ]
        print(f"| {' | '.join(cells)} |")
    asked.out.write_text("".join(json.dumps(row) + "\n" for row in rows))


def compiled(file: Path, accelerator: str) -> dict[str, Any]:
    """Return the row of one file; bytes, and microseconds at Vela's own clock."""
    program = str(Path(sys.executable).with_name("vela"))
    options = ["--accelerator-config", accelerator]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, str(file), *options, "--output-dir", folder]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (report,) = Path(folder).glob("*_summary_*.csv")
        (found,) = csv.DictReader(report.open())
    operators = {
        kind: int(number) for kind, number in re.findall(r"(CPU|NPU) operators = (\d+)", said)
    }
    return {
        "net": found["network"],
        "accelerator": accelerator,
        "system": found["system_config"],
        "memory": found["memory_mode"],
        "npu_operators": operators["NPU"],
        "cpu_operators": operators["CPU"],
        "cycles": round(float(found["cycles_total"])),
        "cycles_npu": round(float(found["cycles_npu"])),
        "microseconds": 1e6 * float(found["inference_time"]),
        "sram": round(1024 * float(found["sram_memory_used"])),
        "flash": round(1024 * float(found["off_chip_flash_memory_used"])),
        "macs": int(found["nn_macs"]),
        "command": f"vela {file.name} {' '.join(options)}",
        "vela": version("ethos-u-vela"),
    }


if __name__ == "__main__":
    main()
