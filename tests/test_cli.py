"""The command line: what a person types, and what they are told when it is wrong."""

import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.full import full_at
from tests.waiting import PATIENCE, until

from smidgen.__main__ import main as from_the_shell
from smidgen.checkpoint import checkpoints
from smidgen.cli import main
from smidgen.cli.evaluate import _never  # pyright: ignore[reportPrivateUsage]
from smidgen.cli.robust import Place
from smidgen.cli.trained import HeldOut, doubts_of
from smidgen.export.int8 import finish
from smidgen.report.tables import right
from smidgen.study import rows
from smidgen.study.store import Store

TRAIN = ("train", "mnist-1k5-dw", "--data", "digits")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)
    return tmp_path


def smidgen(*arguments: str) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
    code = exited.value.code
    return code if isinstance(code, int) else 0


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys\nfrom smidgen.cli import main\n"
        "sys.argv = ['smidgen', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'datasets', 'rich', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_a_warning_is_shown_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatty(**_: object) -> None:
        for text in ("one", "two", "one"):
            warnings.warn(text, stacklevel=1)

    monkeypatch.setattr("smidgen.cli.app", chatty)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert smidgen("list") == 0
    assert capsys.readouterr().err.splitlines() == ["warning: one", "warning: two"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a capacity of 9 GiB",
            "CUDA out of memory: an empty CUDA_VISIBLE_DEVICES keeps to the CPU",
        ),
        (
            "CUDA error: no kernel image is available for execution on the device\nCompile with",
            "CUDA error: no kernel image is available for execution on the device: an empty",
        ),
        (
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate",
            "there is not enough memory for this",
        ),
    ],
)
def test_what_torch_lacks_is_one_line(
    said: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("smidgen.cli.app", fails)
    assert smidgen("list") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"smidgen: {told}")


def test_list_knows_every_method_and_net(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("list", "methods", "--json") == 0
    names = {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert {"blurpool", "squeeze-excite", "cutout", "mixup", "label-smoothing", "sam"} < names
    assert smidgen("list", "nets", "--json") == 0
    params = {row["name"]: row["params"] for row in json.loads(capsys.readouterr().out)}
    assert params["mnist-1k5-dw"] == 1560
    assert params["cifar-143k-dw"] == 143_396


def test_list_tells_what_a_board_leaves_a_net(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("list", "boards", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["micro:bit v1"]["chip"], rows["micro:bit v1"]["ram_bytes"]) == ("nRF51822", 16_384)
    assert rows["micro:bit v1"]["half_of_flash"] == 131_072
    assert smidgen("list", "boards") == 0
    assert "half of RAM" in capsys.readouterr().out.splitlines()[0]


def test_tables_show_words_without_the_marks_of_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("list", "methods") == 0
    assert "`" not in capsys.readouterr().out
    assert smidgen("list", "nets") == 0
    assert "deployed params" in capsys.readouterr().out.splitlines()[0]


def test_list_tells_which_kernels_run_and_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.kernels import available
    from smidgen.kernels.library import forget_choice

    for name in available():
        monkeypatch.setenv("SMIDGEN_KERNELS", name)
        forget_choice()
        assert smidgen("list", "kernels", "--json") == 0
        rows = json.loads(capsys.readouterr().out)
        used = [row["name"] for row in rows if row["what"].startswith("in use: SMIDGEN_KERNELS")]
        assert used == [name]
        assert len(rows) > len(available()) - 1
    monkeypatch.undo()
    forget_choice()


def test_inspect_tells_what_squeeze_and_excitation_adds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smidgen("inspect", "cifar-143k-dw", "--with", "squeeze-excite(ratio=16)", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["params"] - found["params_of_squeeze_excite"] == 143_396
    assert sum(layer["params"] for layer in found["layers"]) == found["params"]
    assert {"name", "deployed_params", "macs", "peak_activation"} <= found.keys()


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ("blurpool,blurpool", "method blurpool was asked for 2 times"),
        ("one-cycle,cosine", "at most one ScheduleMethod per run, got one-cycle and cosine"),
    ],
)
def test_inspect_refuses_the_methods_that_train_refuses(
    methods: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("inspect", "mnist-1k5-dw"), ("train", "mnist-1k5-dw", "--data", "digits")):
        assert smidgen(*words, "--with", methods) == 2
        assert said in capsys.readouterr().err


def test_inspect_reads_a_net_from_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(
        "[net]\ninput = [1, 8, 8]\n"
        'layers = ["conv(4)", "global_average_pool", "classifier(3, bias=true)"]\n'
    )
    assert smidgen("inspect", "mine.toml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["params"]) == ("mine", 4 * 9 + 8 + (4 + 1) * 3)


def test_inspect_reads_a_net_as_text_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    layers = [*["conv(4)"] * 40, "global_average_pool", "classifier(3)"]
    assert smidgen("inspect", f"{{input = [1, 8, 8], layers = {layers}}}", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["layers"]) == 42


def test_inspect_tells_which_way_images_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    net = (
        "[net]\ninput = [3, 96, 1]\n"
        'layers = ["conv(8, 5x1, stride=2)", "global_average_pool", "classifier(3, bias=true)"]\n'
    )
    Path("mine.toml").write_text(f"turned = true\n{net}")
    assert smidgen("inspect", "mine.toml") == 0
    shown = capsys.readouterr().out
    assert "images           1x96, rows and columns exchanged for the net\n" in shown
    assert "with rows and columns" not in shown, "it is the cheaper way"
    Path("wide.toml").write_text(net.replace("96, 1", "1, 96").replace("5x1", "1x5"))
    assert smidgen("inspect", "wide.toml") == 0
    shown = capsys.readouterr().out
    assert "with rows and columns of the images exchanged, 96 x 1, this net would take" in shown
    assert "images  " not in shown


def test_a_plan_trains_on_turned_images_and_its_own_command_does_so_again(tmp_path: Path) -> None:
    from smidgen.run import load_run

    recipe = "[recipe]\nepochs = 1\n"
    body = 'layers = ["conv(4, 5x3)", "global_average_pool", "classifier(10)"]\n'
    Path("plan.toml").write_text(f"turned = true\n{recipe}[net]\ninput = [1, 8, 6]\n{body}")
    asked = ["--recipe", "plan.toml", "--data", "digits", "--image-size", "6x8"]
    assert smidgen("train", "plan.toml", *asked, "--out", "one") == 0
    one = load_run("one")
    assert one.preprocessing.size == (6, 8)
    assert (one.preprocessing.height, one.preprocessing.turned) == (8, True)
    words = shlex.split(one.trial.command(one.origin, one.preprocessing))
    assert smidgen(*words[1:], "--out", "two") == 0
    assert load_run("two").trial.key == one.trial.key
    Path("wide.toml").write_text(f"[net]\ninput = [1, 6, 8]\n{body.replace('5x3', '3x5')}")
    fitted = ["--recipe", "plan.toml", "--data", "digits", "--image-size", "6x8"]
    assert smidgen("train", "wide.toml", *fitted, "--out", "three") == 0
    assert load_run("three").trial.net == one.trial.net, "its kernels are turned with the images"


def test_robust_shows_floats_and_integers_and_puts_both_into_the_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "NOTEWORTHY", 1.0)  # what a net that hardly learned loses is left
    assert smidgen(*TRAIN, "--epochs", "1", "--out", "run") == 0
    asked = ["evaluate", "run", "--robust", "--robust-images", "20", "--int8"]
    assert smidgen(*asked, "--row", "rows.jsonl") == 0
    shown = capsys.readouterr().out
    for said in ("canny edges", "rotation", "chosen on held-out", "shapes, int8", "made anew"):
        assert said in shown
    assert "1 pixel  " in shown
    assert "1 pixels" not in shown
    row = json.loads(Path("rows.jsonl").read_text())
    stranger = row["robust"]["strangers"][0]
    line = next(line for line in shown.splitlines() if line.startswith("noise, float32"))
    assert line.split()[-1] == f"{100 * stranger['told_apart']:.1f}", "percent, as on a page"
    row = json.loads(Path("rows.jsonl").read_text())
    floats, integers = row["robust"], row["robust_int8"]
    assert (floats["numbers"], integers["numbers"]) == ("float32", "int8")
    assert floats["images"] == integers["images"] == 20
    assert len(floats["corruptions"]) == len(integers["corruptions"]) == 15
    assert abs(floats["accuracy"] - integers["accuracy"]) < 0.1
    assert 0 < floats["threshold"]["held_out_kept"] <= 1
    assert floats["threshold"]["images"] == 20
    assert smidgen("evaluate", "run", "--robust", "--robust-images", "20", "--held-out") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "of the answers to 72 others" in shown, "half of what is held out"


def test_a_card_finds_what_was_held_out_of_data_that_were_moved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    for name in ("mine", "other"):
        shares: dict[str, Any] = {
            f"{what}_{part}": values
            for part, count in (("train", 40), ("test", 10))
            for what, values in (
                ("x", random.integers(0, 256, (count, 8, 8), np.uint8)),
                ("y", np.arange(count) % 2),
            )
        }
        np.savez(f"{name}.npz", **shares)
    words = ("train", "mnist-1k5-dw", "--data", "mine.npz", "--epochs", "1", "--out", "run")
    assert smidgen(*words) == 0
    Path("mine.npz").rename("moved.npz")
    told = list[Place]()
    judged = ("evaluate", "run", "--robust")
    assert smidgen(*judged, "--data", "other.npz", "--sure", "0.9") == 2
    assert "the data of run are no longer in" in capsys.readouterr().err

    def measured(*asked: Any) -> dict[str, Any]:
        told.append(asked[-1])
        return {}

    monkeypatch.setattr("smidgen.cli.evaluate.measured", measured)
    for data in ("moved.npz", "other.npz"):
        assert smidgen(*judged, "--data", data) == 0
    assert told[0].own is not None
    assert len(told[0].own.train) == 40
    assert told[1].own is None


def test_what_is_for_robust_alone_is_refused_without_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smidgen(*TRAIN, "--epochs", "1", "--full", "--out", "run") == 0
    for option in (["--int8"], ["--robust-images", "9"], ["--against", "mnist"]):
        assert smidgen("evaluate", "run", *option) == 2
        assert "are for --robust" in capsys.readouterr().err
    assert smidgen("evaluate", "run", "--robust", "--robust-images", "9", "--sure", "0.9") == 2
    assert "nothing was held out" in capsys.readouterr().err
    assert smidgen("evaluate", "run", "--robust", "--robust-images", "0") == 2
    assert "must be >= 1, got 0" in capsys.readouterr().err
    assert smidgen("evaluate", "run", "--robust", "--against", "digits") == 2
    assert "must be other data than the net's own" in capsys.readouterr().err


def test_train_then_evaluate_then_refuse_to_overwrite(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smidgen(*TRAIN, "--epochs", "2", "--out", "run", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["folder"] == "run"
    assert "1x8x8" in captured.err, "that the net was fitted must be said"
    assert re.search(r"epoch 1/2 .*held-out .* images/s .* s left", captured.err)
    assert re.search(r"epoch 2/2 .*held-out .* images/s$", captured.err, re.MULTILINE)
    assert smidgen("evaluate", "run", "--json", "--row", "rows.jsonl") == 0
    found = json.loads(capsys.readouterr().out)
    asked = {"accuracy", "split", "nll", "ece", "shift_consistency", "latency_ms", "params"}
    assert asked | {"macs", "bytes"} <= found.keys()
    assert (found["split"], found["params"]) == ("test", 1560)
    row = json.loads(Path("rows.jsonl").read_text())
    assert (row["key"], right(row).mean()) == (found["key"], pytest.approx(found["accuracy"]))
    assert (sum(row["examples"]), len(row["pictures"])) == (1293, min(24, len(row["wrong"])))
    assert (len(found["wrong"]), "pictures" in found) == (5, False), "what --wrong asks for"
    assert smidgen("evaluate", "run", "--held-out", "--row", "held.jsonl") == 0
    row = json.loads(Path("held.jsonl").read_text())
    assert {"doubted", "pictures"} <= row.keys() >= row.keys() - {"wrong", "examples"}
    capsys.readouterr()
    key = json.loads(captured.out)["key"]
    assert found["key"] == f"{key}-test", "no row of a trial that is judged on held-out images"
    assert len(found["confusion"]) == len(found["classes"]) == 10
    with monkeypatch.context() as patch:
        patch.setattr(rows, "FileIO", full_at(0))
        assert smidgen("evaluate", "run", "--row", "full.jsonl") == 2
    failed = capsys.readouterr()
    assert failed.err == "smidgen: full.jsonl: No space left on device\n"
    assert Path("full.jsonl").read_text() == ""
    shown = failed.out
    for name, told in (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro F1")):
        assert f"{told} {100 * found[name]:.2f} %" in " ".join(shown.split())
    assert "precision %" in shown
    assert smidgen(*TRAIN, "--epochs", "2", "--out", "run") == 2
    assert "holds a run already" in capsys.readouterr().err
    begins = "to go on with: it begins"
    assert smidgen(*TRAIN, "--epochs", "2", "--out", "run", "--resume") == 0
    assert begins not in capsys.readouterr().err
    assert smidgen(*TRAIN, "--epochs", "1", "--out", "new", "--resume") == 0
    assert f"there is no run in new {begins}" in capsys.readouterr().err
    assert smidgen("train", "mnist-1k5-dw", "--data", "nowhere", "--out", "run") == 2
    assert "run already: resume it" in capsys.readouterr().err, "told before pictures are read"


def test_a_class_that_is_never_answered_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    frozen = ("--set", "recipe.peak_lr=1e-9", "--epochs", "1")
    assert smidgen(*TRAIN, *frozen, "--out", "run", "--full") == 0
    assert "one answer for all" not in capsys.readouterr().err, "nothing was held out"
    assert smidgen("evaluate", "run") == 0
    warned = capsys.readouterr().err
    assert re.search(r"\d of 10 classes are never answered: '\d', '\d', '\d' and \d more; ", warned)


@pytest.mark.parametrize(
    ("silent", "learned", "said"),
    [
        (("a",), (69, 16, 15), "warning: 'a' is never answered: longer training may help"),
        (("b",), (69, 16, 15), "warning: 'b' is never answered: more pictures of it, or"),
        (("a", "b"), (69, 16, 15), "never answered: 'a', 'b'; more pictures of 'b', or classes of"),
        (("b", "c"), (69, 16, 15), "2 of 3 classes are never answered: 'b', 'c'; more pictures of"),
        (("b",), (), "warning: 'b' is never answered: longer training may help"),
    ],
)
def test_more_pictures_are_advised_of_classes_that_have_few(
    silent: tuple[str, ...], learned: tuple[int, ...], said: str
) -> None:
    assert said in _never(silent, ("a", "b", "c"), learned)


def test_a_net_that_has_learned_little_is_told_of_by_what_was_held_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frozen = ("--set", "recipe.peak_lr=1e-9", "--epochs", "1")
    assert smidgen(*TRAIN, *frozen, "--seed", "1", "--out", "frozen", "--json") == 0
    told = capsys.readouterr().err
    assert re.search(
        r"held out: [0-9.]+ % is (near|no more than) what one answer for all reaches, 10\.\d\d %",
        told,
    )
    assert smidgen(*TRAIN, "--epochs", "4", "--out", "run") == 0
    assert "one answer for all" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uneven", "balanced", "near", "weigh"),
    [(True, False, True, True), (True, True, False, False), (False, False, False, False)],
)
def test_where_classes_are_uneven_each_counts_alike(
    uneven: bool, balanced: bool, near: bool, weigh: bool
) -> None:
    reached = HeldOut(0.9, 0.5 if near else 0.85, 0.9 if uneven else 0.5, 2, uneven)
    told = doubts_of(reached, balanced=balanced)
    assert bool(told) == near
    for line in told:
        assert line.startswith(
            "held out: balanced accuracy 50.00 % is no more than what one answer"
        )
        assert ("--set recipe.balance=true, more images" in line) == weigh
    (line,) = doubts_of(reached._replace(balanced=0.5, uneven=True), balanced=True)
    assert "recipe.balance" not in line


@pytest.mark.filterwarnings("always:.*:smidgen.data.DataWarning")
def test_of_uneven_classes_the_balanced_accuracy_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    generator = np.random.default_rng(0)
    for name, count in (("cat", 60), ("owl", 4)):
        folder = Path("photos", "train", name)
        folder.mkdir(parents=True)
        for place in range(count):
            picture = Image.fromarray(generator.integers(0, 256, (8, 8), np.uint8))
            picture.save(folder / f"{place}.png")
    train = ("train", "mnist-1k5-dw", "--data", "photos", "--epochs", "1")
    assert smidgen(*train, "--out", "plain") == 0
    assert smidgen(*train, "--out", "balanced", "--set", "recipe.balance=true") == 0
    plain, even = capsys.readouterr().err.split("in plain")
    assert "look at the balanced accuracy, and let the classes weigh alike, unless" in plain
    assert "look at the balanced accuracy\n" in even
    assert "weigh alike" not in even
    for told in (plain, even):
        assert re.search(r"held out: balanced accuracy [0-9.]+ %(, each class alike| is n)", told)


@pytest.mark.filterwarnings("ignore:.*:smidgen.data.DataWarning")
def test_training_goes_on_where_there_are_more_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)

    def draw(count: int) -> None:
        for name in ("cat", "owl"):
            Path("photos", name).mkdir(parents=True, exist_ok=True)
            for _ in range(count):
                picture = Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8))
                picture.save(
                    Path("photos", name, f"{len(list(Path('photos', name).iterdir()))}.png")
                )

    draw(24)
    of = ("--data", "photos", "--out")
    assert smidgen("train", "mnist-1k5-dw", *of, "run", "--epochs", "1", "--image-size", "8") == 0
    draw(10)
    capsys.readouterr()
    assert smidgen("train", "--from", "run", *of, "more", "--set", "recipe.epochs=2") == 0
    told = capsys.readouterr().err
    assert re.search(r"^48 pictures known, 20 new \(cat 10, owl 10\); held out as before \d", told)
    assert re.search(
        r"goes on from run: [0-9,]+ params, 2 epochs at a peak rate of 0.003$", told, re.MULTILINE
    )
    end = r"^held out: before [0-9.]+ %, after ([0-9.]+) % on these (\d) pictures, which neither"
    found = re.search(end, told, re.MULTILINE)
    assert found is not None
    assert smidgen("evaluate", "more", "--held-out", "--json") == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["images"] == int(found[2])
    assert f"{100 * judged['accuracy']:.2f}" == found[1]
    assert smidgen("train", "--from", "run", *of, "json", "--json", "--epochs", "1") == 0
    form = json.loads(capsys.readouterr().out)
    assert (form["known"], form["new"]) == (48, {"cat": 10, "owl": 10})
    assert 0 <= form["before"] <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (),
            "a net is needed: a name from `smidgen list nets` or a file .toml; `smidgen design`",
        ),
        (("mnist-1k5-dw", "--from", "run"), "NET is that of run with --from: leave it out"),
        (("--from", "run", "--color", "grey"), "--color is that of run with --from: leave it out"),
        (("--from", "run", "--split", "full"), "--split is that of run with --from: leave it out"),
        (("--from", "run", "--window", "8"), "--window is that of run with --from: leave it out"),
        (("--from", "run"), "run is no run folder: there is nothing of that name"),
    ],
)
def test_what_does_not_go_with_going_on_is_refused(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smidgen("train", *words, "--data", "digits") == 2
    assert said in capsys.readouterr().err


def test_training_ends_with_the_model_s_place_and_what_may_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    share = ("--set", "recipe.share=0.5")
    assert smidgen(*TRAIN, "--epochs", "1", *share, "--out", "my run") == 0
    *_, learned, place, predict, evaluate, export = capsys.readouterr().err.splitlines()
    assert learned == "learned from 647 of 1,293 training pictures (share 0.5)"
    assert re.search(r"params, trained in \d+ s, in my run$", place)
    assert predict == "next:   smidgen predict 'my run' PICTURE"
    assert evaluate == "        smidgen evaluate 'my run' --held-out", "the test images wait"
    assert export == "        smidgen export 'my run' --to c"
    assert smidgen("report", "my run", "--out", "page.html") == 2
    assert "smidgen evaluate 'my run' --row rows.jsonl writes its own" in capsys.readouterr().err
    assert smidgen("evaluate", "my run") == 0
    judged = capsys.readouterr()
    assert learned in judged.err
    names = [line.split("  ")[0] for line in judged.out.splitlines() if line]
    assert [name for name in names if names.count(name) > 1] == [], "rows of two names"
    assert smidgen("export", "my run", "--to", "onnx") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^file +[\d,]+ bytes +mnist_1k5_dw.onnx, float32", shown, re.MULTILINE)
    assert re.search(r"^latency +[\d.]+ ms ", shown, re.MULTILINE), "in the unit of evaluate"


@pytest.mark.filterwarnings("ignore:.*:smidgen.data.DataWarning", "ignore:.* points of accuracy")
def test_a_run_of_a_relative_folder_is_judged_and_shipped_from_another(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_images(Path("photos"), size=20)
    train = ("train", "mnist-1k5-dw", "--data", "photos", "--image-size", "12")
    assert smidgen(*train, "--epochs", "2", "--out", "run") == 0
    (empty_folder / "far").mkdir()
    monkeypatch.chdir(empty_folder / "far")
    capsys.readouterr()
    assert smidgen("evaluate", "../run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] > 0
    assert smidgen("export", "../run", "--to", "c", "--json") == 0
    proof = json.loads(capsys.readouterr().out)
    assert proof["oracle_difference"] == 0
    assert (empty_folder / "run-c" / "mnist_1k5_dw.h").exists()
    assert smidgen("evaluate", "../run", "--image-size", "20") == 2
    assert "must be left out, or the run's 12x12, got 20" in capsys.readouterr().err


def folder_of_images(root: Path, *, size: int = 8) -> Path:
    for label, name in enumerate(("cat", "dog")):
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for i in range(6):
            pixels = np.full((size, size), 40 * i + 10 * label, np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def broken_image(root: Path) -> None:
    (folder_of_images(root) / "train" / "cat" / "3.png").write_bytes(b"\x89PNG nothing")


def empty_class(root: Path) -> None:
    (folder_of_images(root) / "train" / "bird").mkdir()


def typo_in_recipe(root: Path) -> None:
    root.with_suffix(".toml").write_text("[recipe]\nepoch = 3\n")


def unknown_method_in_recipe(root: Path) -> None:
    root.with_suffix(".toml").write_text('methods = ["mixupp"]\n')


def not_toml(root: Path) -> None:
    root.with_suffix(".toml").write_text("recipe = [\n")


def recipe_file(root: Path) -> None:
    root.with_suffix(".toml").write_text("methods = []\n")


def artefact(root: Path) -> None:
    root.mkdir()
    (root / "artefact.json").write_text("{}")
    (root / "n.tflite").write_bytes(b"")


def run_without_weights(root: Path) -> None:
    folder_of_images(root)


BAD = {
    "unknown net": (None, ("train", "mnist-1k5", "--data", "digits"), "'mnist-1k5-dw'"),
    "unknown net file": (None, ("train", "x.toml", "--data", "digits"), "x.toml: cannot be read"),
    "unknown data": (None, ("train", "mnist-25k", "--data", "mnst"), "mnist"),
    "no data": (None, ("train", "mnist-25k"), "--data is needed"),
    "unknown method": (None, (*TRAIN, "--with", "cutuot"), "did you mean 'cutout'?"),
    "unknown argument": (None, (*TRAIN, "--with", "cutout(size=3)"), "has no argument 'size'"),
    "wrong type": (None, (*TRAIN, "--with", "cutout(length=2.5)"), "should be a valid integer"),
    "out of range": (
        None,
        (*TRAIN, "--with", "mixup(alpha=-1)"),
        "mixup alpha must be in [0, 1,000,000]",
    ),
    "two schedules": (None, (*TRAIN, "--with", "cosine,one-cycle"), "at most one ScheduleMethod"),
    "epochs": (None, (*TRAIN, "--epochs", "0"), "recipe epochs must be >= 1, got 0"),
    "seed": (None, (*TRAIN, "--seed", "-1"), "seed must be a whole number in [0, 2^63), got -1"),
    "threads": (None, (*TRAIN, "--threads", "0"), "threads must be a whole number >= 1, got 0"),
    "many threads": (None, (*TRAIN, "--threads", "1000000000"), "threads must be at most 1,024"),
    "epochs twice": (
        None,
        (*TRAIN, "--epochs", "0", "--set", "recipe.epochs=5"),
        "--set recipe.epochs changes nothing beside --epochs: leave it out",
    ),
    "methods twice": (
        None,
        (*TRAIN, "--with", "sam", "--epochs", "0", "--set", 'methods=["cutout"]'),
        "--set methods changes nothing beside --with",
    ),
    "data twice": (
        None,
        (*TRAIN, "--epochs", "0", "--set", "data=mnist"),
        "--set data changes nothing beside --data",
    ),
    "net twice": (
        None,
        (*TRAIN, "--epochs", "0", "--set", "net.name=mine"),
        "--set net.name changes nothing beside the net",
    ),
    "turned twice": (
        None,
        (*TRAIN, "--epochs", "0", "--turned", "--set", "turned=false"),
        "--set turned changes nothing beside --turned",
    ),
    "device": (None, (*TRAIN, "--device", "tpu"), "device must be one of auto, cpu, cuda"),
    "setting": (
        None,
        (*TRAIN, "--set", "recipe.peak_lr=fast"),
        "smidgen: --set recipe.peak_lr=fast: recipe argument 'peak_lr' should be a valid number",
    ),
    "setting key": (
        None,
        (*TRAIN, "--set", "recipe.lr=1"),
        "smidgen: --set recipe.lr=1: recipe has no argument 'lr'",
    ),
    "half an epoch": (
        None,
        (*TRAIN, "--epochs", "1.5"),
        "--epochs must be a whole number, got '1.5",
    ),
    "a word of a seed": (
        None,
        (*TRAIN, "--seed=abc"),
        "--seed must be a whole number, got 'abc' (see",
    ),
    "least of an option": (
        None,
        ("evaluate", "it", "--data", "digits", "--wrong", "-1"),
        "--wrong must be greater than or equal to 0, got '-1' (see",
    ),
    "address": (
        None,
        (*TRAIN, "--data", "https://example.com/photos"),
        "; addresses are not fetched, download it first",
    ),
    "option": (None, (*TRAIN, "--epoch", "3"), "--epochs"),
    "help": (None, ("help",), "No such command 'help': `smidgen --help` shows it"),
    "help of": (None, ("help", "train"), "command 'help': `smidgen train --help` shows it"),
    "version": (None, ("version",), "command 'version': `smidgen --version` shows it"),
    "data bare": (
        None,
        ("design", "my photos", "--out", "d", "--max-flash", "16KB"),
        "Missing option '--data'. Did you mean --data 'my photos'? (see smidgen design --help)",
    ),
    "a blank in an amount": (
        None,
        ("design", "--data", "d", "--out", "d", "--max-flash", "16", "KB"),
        ": --max-flash 16KB is written without a blank",
    ),
    "inspect-data skips": (
        None,
        ("inspect-data", "digits", "--skip-broken"),
        ": inspect-data always leaves broken pictures out, and says so (see",
    ),
    "neither budget nor profile": (
        None,
        ("design", "--data", "digits", "--out", "d", "--profile", "fast"),
        "max-latency; unknown profile 'fast'; known: quick, standard, thorough",
    ),
    "recipe name": (None, (*TRAIN, "--recipe", "mnis"), "did you mean 'mnist'?"),
    "recipe typo": (typo_in_recipe, (*TRAIN, "--recipe", "it.toml"), "did you mean 'epochs'?"),
    "recipe method": (unknown_method_in_recipe, (*TRAIN, "--recipe", "it.toml"), "it.toml: "),
    "recipe not toml": (not_toml, (*TRAIN, "--recipe", "it.toml"), "it.toml: not TOML: "),
    "missing folder": (None, ("train", "mnist-25k", "--data", "./it"), "it"),
    "empty folder": (Path.mkdir, ("train", "mnist-25k", "--data", "./it"), "it"),
    "broken image": (broken_image, ("train", "mnist-25k", "--data", "./it"), "3.png"),
    "empty class": (empty_class, ("train", "mnist-25k", "--data", "./it"), "bird"),
    "images too small": (
        folder_of_images,
        ("inspect", "mnist-25k", "--input", "1x2x2"),
        "max_pool",
    ),
    "no classes": (None, ("inspect", "mnist-25k", "--classes", "0"), "classes must be >= 2, got 0"),
    "no layers": (None, ("inspect", "{input = [1, 8, 8], layers = []}"), "list of texts, got []"),
    "no run": (Path.mkdir, ("evaluate", "it"), "it is no run folder"),
    "no such run": (None, ("evaluate", "it"), "it is no run folder"),
    "artefact": (artefact, ("predict", "it", "new.jpg"), "name that run; predict also takes"),
    "file of an artefact": (
        artefact,
        ("predict", "it/n.tflite", "new.jpg"),
        "name that run; predict",
    ),
    "recipe for net": (recipe_file, ("train", "it.toml", "--data", "digits"), "describes no net"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_writes_nothing(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare, arguments, said = BAD[case]
    if prepare:
        prepare(tmp_path / "it")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert smidgen(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("smidgen: ")
    assert said in lines[0]
    cache = tmp_path / "cache"
    after = {
        path: path.stat().st_mtime_ns
        for path in tmp_path.rglob("*")
        if path.is_file() and cache not in path.parents
    }
    assert after == before, "bad input must write nothing"


def test_an_unwritable_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("in the way")
    assert smidgen(*TRAIN, "--out", "file/run") == 2
    assert "file/run: cannot be written" in capsys.readouterr().err


def test_divergence_stops_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    explode = ("--with", "", "--set", "recipe.optimizer=sgd", "--set", "recipe.peak_lr=1e18")
    assert smidgen(*TRAIN, *explode, "--out", "run") == 2
    assert "diverged in epoch 1" in capsys.readouterr().err.splitlines()[-1]
    assert checkpoints(Path("run")) == []


def test_damaged_weights_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen(*TRAIN, "--epochs", "1", "--out", "run") == 0
    capsys.readouterr()
    weights = Path("run/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-3])
    assert smidgen("evaluate", "run") == 2
    assert "weights.safetensors: truncated" in capsys.readouterr().err
    weights.unlink()
    assert smidgen("evaluate", "run") == 2
    assert "training has not finished" in capsys.readouterr().err


def test_control_c_keeps_the_checkpoint_and_exits_130() -> None:
    command = [sys.executable, "-m", "smidgen", *TRAIN, "--epochs", "100000", "--out", "run"]
    # A shell starts what it runs in the background deaf to Ctrl-C, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        until(lambda: checkpoints(Path("run")), process)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 130
    assert (
        said.strip().splitlines()[-1]
        == "smidgen: interrupted; --resume goes on from the last checkpoint, if there is one yet"
    )
    assert checkpoints(Path("run"))


@pytest.mark.parametrize(
    ("verb", "end"),
    [
        ("design", "; the same command goes on"),
        ("study", "; the same command goes on"),
        ("list", ""),
    ],
)
def test_what_goes_on_after_control_c_is_told_of_each_verb(
    verb: str, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("smidgen.cli.app", interrupted)
    assert smidgen("--quiet", verb) == 130
    assert capsys.readouterr().err == f"smidgen: interrupted{end}\n"


@pytest.mark.skipif(os.name != "posix", reason="there are no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_from_outside_tidies_up(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number, tidied = signal.Signals[name], []

    def ended(**_: object) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            tidied.append(name)
        return 0

    monkeypatch.setattr("smidgen.cli.app", ended)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert smidgen("design") == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert tidied
    assert capsys.readouterr().err == "smidgen: interrupted; the same command goes on\n"


def test_a_signal_that_is_ignored_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_on(**_: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    monkeypatch.setattr("smidgen.cli.app", goes_on)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert smidgen("list") == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def test_control_c_inside_an_import_that_swallows_it_is_not_lost(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As torch's own import of numpy does, which takes any error for numpy's absence."""
    module = """
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        imported = True
    """
    (empty_folder / "swallows_control_c.py").write_text(textwrap.dedent(module))
    monkeypatch.syspath_prepend(str(empty_folder))

    def importing(**_: object) -> int:
        assert importlib.import_module("swallows_control_c").imported, "to its end"
        time.sleep(5)  # far longer than it is asked again after
        return 0

    monkeypatch.setattr("smidgen.cli.app", importing)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert smidgen("study") == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        sys.modules.pop("swallows_control_c", None)
    assert capsys.readouterr().err == "smidgen: interrupted; the same command goes on\n"


def test_control_c_while_the_command_line_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "smidgen.cli", Interrupted("smidgen.cli"))
    with pytest.raises(SystemExit) as exited:
        from_the_shell()
    assert exited.value.code == 130
    assert capsys.readouterr().err == "smidgen: interrupted\n"


@pytest.mark.parametrize(
    ("name", "status", "left"),
    [
        ("decoding_0", 130, [130]),
        ("decoding_0", 143, [143]),
        ("decoding_0", 2, []),  # an error waits for them, as it always did
        ("worker", 130, []),  # what else goes on may have something to tidy up
    ],
)
def test_an_interrupted_command_waits_for_no_picture_that_is_decoded(
    name: str, status: int, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    monkeypatch.setattr(os, "_exit", found.append)
    monkeypatch.setattr("smidgen.cli.main", lambda: sys.exit(status))
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name=name)
    thread.start()
    try:
        with pytest.raises(SystemExit) as ended:
            from_the_shell()
    finally:
        go.set()
        thread.join()
    assert (found, ended.value.code) == (left, status)


@pytest.mark.skipif(os.name != "posix", reason="a folder in use stays elsewhere")
def test_a_working_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert smidgen("list", "nets") == 2
    said = "smidgen: the working folder is gone: change to one that is there, as by cd\n"
    assert capsys.readouterr().err == said


def test_control_c_while_the_process_ends_leaves_no_traceback() -> None:
    """As inside what torch clears up at exit, whose errors Python shows and ignores."""
    code = """
        import atexit, os, signal, sys, time
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(5)))
        sys.argv = ["smidgen", "--version"]
        from smidgen.__main__ import main
        main()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
    assert ended.stdout.startswith("smidgen ")


def test_the_held_out_images_of_a_full_run_do_not_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smidgen(*TRAIN, "--epochs", "1", "--full", "--out", "run") == 0
    assert smidgen("evaluate", "run", "--held-out") == 2
    assert "nothing was held out" in capsys.readouterr().err


def test_a_title_without_a_page_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("report", "study.db", "--title", "Mine") == 2
    assert "--title is of the page that --out writes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "over"),
    [
        (("report", "a.db", "--out", "b.db"), "b.db"),
        (("report", "mine", "--out", "mine/design.db"), "mine/design.db"),
        (("study", "s.toml", "--store", "a.db", "--status", "--export", "a.db"), "a.db"),
        (("study", "s.toml", "--store", "new.db", "--export", "new.db"), "new.db"),
        (("study", "s.toml", "--export", "./s.toml"), "s.toml"),
    ],
)
def test_what_is_read_is_not_written_over(
    arguments: tuple[str, ...], over: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    for name in ("a.db", "mine/design.db"):
        Store(name).close()
    Path("b.db").hardlink_to("a.db")
    Path("s.toml").write_text("")
    before = Path(over).read_bytes() if Path(over).exists() else b""
    assert smidgen(*arguments) == 2
    assert ": it would be overwritten" in capsys.readouterr().err
    assert (Path(over).read_bytes() if Path(over).exists() else b"") == before


@pytest.mark.parametrize("over", ["run.json", "photo.jpg", "notes.md", "s.toml", "rows.html"])
def test_pages_and_rows_are_not_written_over_other_files(
    over: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Store("a.db").close()
    Path("s.toml").write_text(
        'name = "s"\ndata = "digits"\nseeds = [0]\n[[trials]]\nnets = ["mnist-1k5-dw"]\n'
    )
    Path("plan.toml").write_text(Path("s.toml").read_text())
    others = {"run.json": "{\n}", "photo.jpg": "\x89PNG", "notes.md": "# Mine", "rows.html": "<p>"}
    if over in others:
        Path(over).write_text(others[over])
    before = Path(over).read_bytes()
    page = ("report", "a.db", "--out", over)
    rows = ("study", "plan.toml", "--store", "a.db", "--status", "--export", over)
    for arguments, kind in ((page, "page"), (rows, "rows")):
        assert smidgen(*arguments) == 2
        said = capsys.readouterr().err
        assert f"{over} holds no {kind}" in said
        assert "choose another file" in said
    assert Path(over).read_bytes() == before
    for _ in range(2):  # those of before are
        assert smidgen(*page[:3], "page.html") == 0
        assert smidgen(*rows[:-1], "rows.jsonl") == 0
        assert "rows.jsonl: 0 rows" in capsys.readouterr().err


def test_a_design_is_reported_by_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Store("mine/design.db").close()
    assert smidgen("report", "mine", "--out", "page.html") == 0
    assert Path("page.html").exists()
    assert "page.html: " in capsys.readouterr().err


def test_a_report_of_no_row_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Store("study.db").close()
    assert smidgen("report", "study.db") == 0
    told = capsys.readouterr()
    assert (told.out, "study.db holds no row of a finished trial yet" in told.err) == ("", True)


def test_what_stands_in_a_file_and_is_not_taken_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    net = '[net]\ninput = [1, 8, 8]\nlayers = ["conv(4)", "max_pool", {}]\n'
    net = net.format('"global_average_pool", "classifier(10)"')
    Path("my net.toml").write_text(f'methods = ["label-smoothing"]\n[recipe]\nepochs = 1\n{net}')
    asked = ("train", "my net.toml", "--data", "digits", "--epochs", "1")
    assert smidgen(*asked, "--out", "one") == 0
    told = "the methods in my net.toml are not taken: --recipe 'my net.toml' takes them"
    assert told in capsys.readouterr().err
    assert smidgen(*asked, "--recipe", "my net.toml", "--out", "two") == 0
    assert smidgen(*asked, "--with", "mixup", "--out", "three") == 0
    assert "taken" not in capsys.readouterr().err
    asked = ("train", "mnist-1k5-dw", "--recipe", "my net.toml", "--data", "digits")
    assert smidgen(*asked, "--out", "four") == 0
    told = "the net that my net.toml describes is not taken, mnist-1k5-dw is"
    assert told in capsys.readouterr().err


def test_a_net_s_file_whose_images_are_turned_says_so_where_they_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    layers = 'layers = ["conv(4)", "max_pool", "global_average_pool", "classifier(10)"]\n'
    Path("net.toml").write_text(f"turned = true\n[net]\ninput = [1, 8, 6]\n{layers}")
    asked = ("train", "net.toml", "--data", "digits", "--image-size", "6x8", "--epochs", "1")
    told = "turned = true in net.toml is not taken: --turned takes it"
    assert smidgen(*asked, "--out", "one") == 0
    assert told in capsys.readouterr().err
    assert smidgen(*asked, "--turned", "--out", "two") == 0
    assert smidgen(*asked, "--recipe", "net.toml", "--out", "three") == 0
    assert "taken" not in capsys.readouterr().err


def test_the_help_of_evaluate_says_that_a_run_has_its_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smidgen("evaluate", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--image-size N|HxW Of the run, which is taken without it; another is refused." in told


@pytest.mark.parametrize(
    "asked",
    [
        ("evaluate", "nothing", "--row", "none/rows.jsonl"),
        ("inspect-data", "digits", "--sheet", "none/sheet.png"),
        ("card", "nothing", "--out", "none/card.md"),
        ("study", "nothing.toml", "--export", "none/rows.jsonl"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(
    asked: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, mode: int) -> bool:
        return mode != os.W_OK

    assert smidgen(*asked) == 2
    assert "cannot be written: there is no folder none" in capsys.readouterr().err
    Path(asked[-1]).mkdir(parents=True)
    assert smidgen(*asked) == 2
    assert f"{asked[-1]}: cannot be written: it is a folder" in capsys.readouterr().err
    Path(asked[-1]).rmdir()
    monkeypatch.setattr(os, "access", refused)
    assert smidgen(*asked) == 2
    assert f"{asked[-1]}: cannot be written: permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("inspect-data", "~nobody-here/photos"), "~nobody-here/photos"),
        (("inspect-data", "mnist", "--data-dir", "~nobody-here"), "~nobody-here"),
        (("inspect", "mnist-1k5-dw", "--input", "1x8x\u00b2"), "as in 3x32x32"),
    ],
)
def test_places_of_nobody_and_numbers_that_are_none_are_one_line(
    asked: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smidgen(*asked) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
