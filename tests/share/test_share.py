"""A model with its card on a hub, and back from it in an empty folder."""

import importlib.util
import json
import re
import shlex
import shutil
import sqlite3
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from huggingface_hub import HfApi
from PIL import Image

import smidgen as sm
from smidgen import hub as fetching
from smidgen.checkpoint import load_tensors, save_tensors
from smidgen.cli import main
from smidgen.escape import html, shell
from smidgen.export.artefact import Wish
from smidgen.hub import place_of
from smidgen.run import digest, load_run
from smidgen.run_folder import WEIGHTS, shared_plan
from smidgen.share.card import card_of, front_matter, write_card
from smidgen.share.facts import Facts, facts_of
from smidgen.share.push import push

library = pytest.importorskip("huggingface_hub", reason="pip install 'smidgen[hub]'")
constants = importlib.import_module("huggingface_hub.constants")

_spec = importlib.util.spec_from_file_location("stand_in", Path(__file__).with_name("stand_in.py"))
assert _spec
assert _spec.loader
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["stand_in"] = stand_in
_spec.loader.exec_module(stand_in)

# what the library itself does as it sends large files over HTTP
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of drawn pictures, with an artefact beside it."""
    place = tmp_path_factory.mktemp("shared")
    for part, label, number in product(("train", "test"), range(2), range(9)):
        folder = place / "private photos" / part / ("cat", "d`o|g<b>")[label]
        folder.mkdir(parents=True, exist_ok=True)
        value = 40 + 120 * label + 2 * number + (part == "test")
        Image.new("L", (8, 8), value).save(folder / f"secret-{number}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = sm.data.load(place / "private photos")
        net = sm.zoo.net("mnist-1k5-dw").fitted(sm.layers.Shape(*data.shape), len(data.classes))
        recipe = sm.Recipe(epochs=2, batch_size=8)
        sm.train(net, data, recipe=recipe, folder=place / "mine", observer=lambda report: None)
        sm.export(place / "mine", "onnx", wish=Wish())
    return place / "mine"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a stand-in, with an empty cache, an empty folder and a token."""
    held, server = stand_in.serve()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "ENDPOINT": held.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": held.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
        "HF_TOKEN_PATH": str(tmp_path / "no token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", stand_in.TOKEN)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shared(run: Path, hub: Any) -> Any:
    push(run, "ann/net", licence="mit", about="Tells cats from dogs.")
    hub.asked.clear()
    return hub


def smidgen(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        patch.setattr(sys, "argv", ["smidgen", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
    return exited.value.code if isinstance(exited.value.code, int) else 0


def test_what_is_pushed_is_the_run_its_card_rows_and_artefacts(run: Path, shared: Any) -> None:
    held = shared.repositories["model/ann/net"]
    assert set(held) == {
        *("README.md", "run.json", "weights.safetensors"),
        *("artefacts/onnx/mnist_1k5_dw.onnx", "artefacts/onnx/artefact.json"),
    } | ({"rows.jsonl"} & set(held))
    assert held["weights.safetensors"] == (run / "weights.safetensors").read_bytes()
    row = json.loads(held["rows.jsonl"])
    assert row["key"] == json.loads(held["run.json"])["key"]
    assert row["accuracy"] == facts_of(run).rows[0]["accuracy"]


def test_nothing_private_leaves(run: Path, shared: Any) -> None:
    assert str(run.parent) in (run / "run.json").read_text()
    for name, content in shared.repositories["model/ann/net"].items():
        assert str(run.parent).encode() not in content, name
        assert b"secret" not in content, name
    row = json.loads(shared.repositories["model/ann/net"]["rows.jsonl"])
    assert not {"pictures", "wrong", "doubted"} & row.keys()
    facts = facts_of(run)
    full = {**facts.rows[0], "pictures": {"test/0": "AAAA"}, "wrong": [{"file": "secret-1.png"}]}
    full["doubted"] = [{"file": "secret-2.png"}]
    (shown,) = replace(facts, rows=(full,)).shared_rows
    told = {**facts.rows[0], "command": shown["command"]}
    assert shown == told
    assert "--data 'private photos' --seed 0" in shown["command"]


def test_what_a_link_leads_to_does_not_leave(run: Path, hub: Any, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "mine")
    shutil.copytree(run.with_name("mine-onnx"), tmp_path / "mine-onnx")
    (tmp_path / "secret").write_text("secret")
    net = tmp_path / "mine-onnx" / "mnist_1k5_dw.onnx"
    net.unlink()
    net.symlink_to(tmp_path / "secret")
    push(tmp_path / "mine", "ann/linked")
    assert "artefacts/onnx/mnist_1k5_dw.onnx" not in hub.repositories["model/ann/linked"]
    (tmp_path / "mine" / "report.html").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="--space needs a page"):
        push(tmp_path / "mine", "ann/linked", space=True)
    proof = tmp_path / "mine-onnx" / "artefact.json"
    proof.write_text(json.dumps({**json.loads(proof.read_text()), "files": 7}))
    push(tmp_path / "mine", "ann/linked")
    held = [name for name in hub.repositories["model/ann/linked"] if "artefacts" in name]
    assert held == ["artefacts/onnx/artefact.json"]


@pytest.mark.parametrize(
    ("origin", "left"),
    [
        ("known:mnist::data-dir=/home/ann/secret", "known:mnist"),
        ("arrays:00::cache-dir=/home/ann/secret", "arrays:00"),
        ("/home/ann/secret", "private photos"),
        (
            "/home/ann/secret::label-column=kind::group-by=patient",
            "private photos::label-column=kind::group-by=patient",
        ),
        ("ann/set::label-column=kind", "ann/set::label-column=kind"),
    ],
)
def test_no_folder_of_copies_leaves_with_the_name_of_data(
    origin: str, left: str, run: Path, tmp_path: Path
) -> None:
    form = json.loads((run / "run.json").read_text()) | {"origin": origin}
    (tmp_path / "run.json").write_text(json.dumps(form))
    assert json.loads(shared_plan(tmp_path))["origin"] == left
    facts = facts_of(run)
    placed = replace(facts, run=replace(facts.run, origin=origin))
    assert shlex.split(placed.command(0))[4] == left


@pytest.mark.parametrize(
    ("origin", "command", "datasets"),
    [
        ("/home/ann/mnist", "./mnist", None),
        ("arrays:00", "arrays:00", None),
        ("mnist", "mnist", ["ylecun/mnist"]),
        ("known:mnist::data-dir=/home/ann", "known:mnist", ["ylecun/mnist"]),
    ],
)
def test_a_folder_called_as_a_data_set_does_not_pass_for_it(
    origin: str, command: str, datasets: list[str] | None, run: Path, tmp_path: Path
) -> None:
    facts = facts_of(run)
    called = replace(facts.run, origin=origin, trial=replace(facts.run.trial, data="mnist"))
    facts = replace(facts, run=called)
    assert shlex.split(facts.command(0))[4] == command
    block = yaml.safe_load(card_of(facts).split("---\n")[1])
    assert block.get("datasets") == datasets
    (result,) = block["model-index"][0]["results"]
    assert result["dataset"]["type"] == (datasets or ["images"])[0]
    form = json.loads((run / "run.json").read_text()) | {"origin": origin, "data": "mnist"}
    (tmp_path / "run.json").write_text(json.dumps(form))
    assert json.loads(shared_plan(tmp_path))["origin"] == command


def test_a_report_s_commands_name_folders_and_do_not_place_them(run: Path, hub: Any) -> None:
    page = run / "report.html"
    train = ["smidgen", "train", "/home/ann/my design/d.toml", "--data-dir", "/home/ann/a<b", "x y"]
    train += ["--data", "/home/ann/mnist", "--data", "/home/ann/pics::group-by=folder"]
    train += ["--data", "digits::data-dir=/home/ann"]
    failed = "<h3>Trials that failed</h3><ul><li>net: /home/ann/photos has changed</li></ul>"
    page.write_text(f"<pre>{html(shell(train))}\nsmidgen predict /home/ann/mine P\n</pre>{failed}")
    told: list[str] = []
    try:
        push(run, "ann/net", space=True, tell=told.append)
    finally:
        page.unlink()
    space = hub.repositories["space/ann/net"]
    assert b"It tells how the net was found and sends nothing." in space["README.md"]
    held = unescape(space["index.html"].decode())
    assert held == (
        "<pre>smidgen train d.toml --data-dir 'a<b' 'x y' --data ./mnist"
        " --data pics::group-by=folder --data digits\n"
        "smidgen predict mine P\n</pre>"
    )
    assert any("names the files" in line for line in told)


def test_the_hub_s_own_reader_takes_the_card(run: Path, shared: Any) -> None:
    text = shared.repositories["model/ann/net"]["README.md"].decode()
    card = library.ModelCard(text)
    assert card.data.license == "mit"
    assert card.data.library_name == "smidgen"
    assert card.data.pipeline_tag == "image-classification"
    (result,) = card.data.eval_results
    accuracy = facts_of(run).rows[0]["accuracy"]
    assert (result.metric_type, result.metric_value) == ("accuracy", round(accuracy, 6))
    card.validate()
    assert "POST /api/validate-yaml" in shared.asked


def test_the_card_says_what_it_must(run: Path, shared: Any) -> None:
    text = shared.repositories["model/ann/net"]["README.md"].decode()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles == [
        *("Intended use", "How to use it", "Data", "Figures", "Robustness", "Sizes"),
        *("On a board", "Training", "Licence"),
    ]
    figures = facts_of(run)
    interval = figures.accuracy
    assert interval
    assert f"{interval.mean:.2f} % [{interval.low:.2f}, {interval.high:.2f}]" in text
    assert "Tells cats from dogs." in text
    assert "smidgen predict hub:ann/net picture.jpg" in text
    assert 'sm.load("hub:ann/net")' in text
    assert figures.footprint
    assert f"{figures.footprint[0]:,} bytes of flash and {figures.footprint[1]:,} of RAM" in text
    assert "adversarial changes were not measured" in text
    assert "`onnx`" in text
    assert "learned from" not in text
    trial = replace(figures.run.trial, recipe=sm.Recipe(share=0.5))
    half = replace(figures, run=replace(figures.run, trial=trial))
    assert "learned from a share of 0.5 of its training pictures." in card_of(half)
    assert "d\\`o\\|g&lt;b>" in text, "names of classes are text"


def test_a_model_of_the_hub_answers_as_the_one_that_was_pushed(
    run: Path, shared: Any, tmp_path: Path
) -> None:
    Image.new("L", (30, 20), 170).save("picture.png")
    before = {path for path in tmp_path.rglob("*") if tmp_path / "cache" not in path.parents}
    there, here = sm.load("hub:ann/net"), sm.load(run)
    assert there.predict("picture.png").ranking == here.predict("picture.png").ranking
    assert load_run("hub:ann/net").trial == load_run(run).trial
    after = {path for path in tmp_path.rglob("*") if tmp_path / "cache" not in path.parents}
    assert after == before | {tmp_path / "cache"}, "nothing outside the cache is written"
    commit = shared.commit_of("model/ann/net")
    assert sm.load(f"hub:ann/net@{commit}").classes == here.classes
    assert not any("artefacts" in asked or "rows" in asked for asked in shared.asked)


def test_all_files_of_a_model_are_of_the_commit_of_the_first(shared: Any) -> None:
    sm.load("hub:ann/net")
    asked = [path for path in shared.asked if path.endswith("/weights.safetensors")]
    commit = shared.commit_of("model/ann/net")
    assert asked
    assert all(f"/resolve/{commit}/" in path for path in asked)


def test_a_model_that_changes_between_asking_and_fetching_is_not_fetched(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fetched then may be of any size: nobody asked how large that is."""
    told = HfApi.model_info

    def of_before(*given: Any, **more: Any) -> Any:
        found = told(*given, **more)
        found.sha = "0" * 40
        return found

    monkeypatch.setattr(HfApi, "model_info", of_before)
    with pytest.raises(ValueError, match="ann/net was changed while it was fetched: ask again"):
        sm.load("hub:ann/net")
    assert not any(path.endswith("/weights.safetensors") for path in shared.asked)


def test_the_command_line_predicts_and_judges_from_the_hub(
    run: Path, shared: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (30, 20), 170).save("picture.png")
    assert smidgen("predict", "hub:ann/net", "picture.png", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["class"] == sm.load(run).predict("picture.png").ranking[0][0]
    photos = str(run.parent / "private photos")
    assert smidgen("evaluate", "hub:ann/net", "--data", photos, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["accuracy"] == facts_of(run).rows[0]["accuracy"]
    assert smidgen("export", "hub:ann/net", "--to", "onnx", "--data", photos) == 0
    assert Path("net-onnx/artefact.json").exists()


def test_without_the_hub_the_cache_serves_and_says_so(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sm.load("hub:ann/net").classes
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.warns(UserWarning, match="the hub is not asked: ann/net is taken from the cache"):
        assert sm.load("hub:ann/net").classes == before
    with pytest.raises(ValueError, match="cannot be reached, and ann/other is not in its cache"):
        sm.load("hub:ann/other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.warns(UserWarning, match="is taken from the cache"):
        assert sm.load("hub:ann/net").classes == before


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_that_fails_is_as_one_that_is_not_there(
    status: int, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sm.load("hub:ann/net")

    def fails(*_: object, **__: object) -> None:
        error = library.errors.HfHubHTTPError.__new__(library.errors.HfHubHTTPError, "it failed")
        error.response = SimpleNamespace(status_code=status)
        raise error

    monkeypatch.setattr(HfApi, "model_info", fails)
    with pytest.warns(UserWarning, match="the hub is not asked: ann/net is taken from the cache"):
        sm.load("hub:ann/net")


def test_the_bars_of_the_hub_s_library_are_back_afterwards(shared: Any) -> None:
    assert not library.utils.are_progress_bars_disabled(), "after a push"
    sm.load("hub:ann/net")
    assert not library.utils.are_progress_bars_disabled(), "after a fetch"


def test_a_network_that_ends_in_the_middle_of_a_model_is_one_line(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutError(Exception):
        """As those of the library beneath the hub's."""

    def ends(*_: object, **__: object) -> None:
        raise CutError("peer closed connection\nafter 3 bytes")

    monkeypatch.setattr(library, "hf_hub_download", ends)
    said = "run.json of ann/net could not be fetched: peer closed connection after 3 bytes"
    with pytest.raises(ValueError, match=said):
        sm.load("hub:ann/net")


def test_pushed_again_it_holds_no_artefact_of_before(run: Path, shared: Any, hub: Any) -> None:
    held = hub.repositories["model/ann/net"]
    held["artefacts/c/old.c"] = held["notes.txt"] = b"old"
    push(run, "ann/net")
    assert "artefacts/c/old.c" not in held
    assert held["notes.txt"] == b"old", "what others put there stays"
    assert b'license: "unknown"' in held["README.md"]
    assert b"Not stated" in held["README.md"]


def test_what_is_to_be_private_goes_to_no_public_repository(run: Path, shared: Any) -> None:
    assert "visibility" not in shared.facts["model/ann/net"], "its owner may have a default"
    before = dict(shared.repositories["model/ann/net"])
    with pytest.raises(ValueError, match=r"^ann/net is there already, a public model: --private"):
        push(run, "ann/net", private=True, about="Secret.")
    assert shared.repositories["model/ann/net"] == before
    for about in ("Secret.", "Secret again."):
        push(run, "ann/hidden", private=True, about=about)
    assert shared.facts["model/ann/hidden"]["visibility"] == "private"


def test_pushed_again_without_figures_it_holds_no_rows_of_before(
    run: Path, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = shared.repositories["model/ann/net"]
    assert "rows.jsonl" in held
    unmeasured = replace(facts_of(run), rows=(), unmeasured="the data are gone")

    def gathered(*_: Any, **__: Any) -> Facts:
        return unmeasured

    monkeypatch.setattr("smidgen.share.push.facts_of", gathered)
    push(run, "ann/net")
    assert "rows.jsonl" not in held, "they are of another model now"


def test_the_page_is_a_static_space(run: Path, hub: Any) -> None:
    with pytest.raises(ValueError, match=r"--space needs a page: `smidgen export .* --to wasm`"):
        push(run, "ann/net", space=True)
    assert not hub.repositories, "nothing is sent before"
    proof = run.with_name("mine-onnx") / "artefact.json"
    page, other = (proof.with_name(name) for name in ("mnist_1k5_dw.html", "a.html"))
    page.write_text("<title>recognise</title>")
    other.write_text("<title>of mine</title>")
    told, held = list[str](), proof.read_text()
    try:
        with pytest.raises(ValueError, match="--space needs a page"):  # none that export wrote
            push(run, "ann/net", space=True)
        form = json.loads(held)
        proof.write_text(json.dumps({**form, "files": {**form["files"], page.name: {}}}))
        pushed = push(run, "ann/net", space=True, tell=told.append)
    finally:
        proof.write_text(held)
        page.unlink()
        other.unlink()
    held = hub.repositories["space/ann/net"]
    assert held["index.html"] == b"<title>recognise</title>"
    assert hub.facts["space/ann/net"]["sdk"] == "static"
    assert library.SpaceCard(held["README.md"].decode()).data.to_dict()["models"] == ["ann/net"]
    assert pushed.space == f"{hub.url}/spaces/ann/net"
    assert any("pictures" in line for line in told)
    assert not any(name.endswith(".html") for name in hub.repositories["model/ann/net"])


def test_a_design_is_shared_with_the_rows_of_its_seeds_its_warnings_and_its_page(
    run: Path, hub: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, empty = tmp_path / "made", Path.cwd()
    made.mkdir()
    photos = run.parent / "private photos"
    monkeypatch.chdir(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sm.design(photos, out="mine", max_params=400, profile="quick", epochs=1, jobs=1)
        sm.export("mine", "onnx", wish=Wish())
        sm.export("mine", "cmake", wish=Wish())
        Path("mine-onnx/notes.txt").write_text("of mine")
        told: list[str] = []
        pushed = push("mine", "ann/design", licence="mit", space=True, tell=told.append)
    held = hub.repositories["model/ann/design"]
    assert set(pushed.files) == set(held)
    assert {"README.md", "run.json", "weights.safetensors", "rows.jsonl"} < set(held)
    sent = {Path(name).parent.name for name in held if name.startswith("artefacts/")}
    assert sent == {"onnx"}, "what holds pictures stays here"
    assert "mine-cmake stays here: pictures of the data are in it" in told
    assert "artefacts/onnx/notes.txt" not in held, "and so does what export did not write"
    rows = [json.loads(line) for line in held["rows.jsonl"].splitlines()]
    assert {row["seed"] for row in rows} == set(found.rows)
    card = library.ModelCard(held["README.md"].decode())
    card.validate()
    assert "The design that found it warns:" in card.text
    assert "test images that no choice was made on." in card.text
    with sqlite3.connect(made / "mine" / "design.db") as db:
        db.execute("UPDATE notes SET value = json_set(value, '$.read_before', 3)")
    assert not facts_of(made / "mine").is_choice_blind, "it read them for others before"
    mean = sum(row["accuracy"] for row in rows) / len(rows)
    assert card.data.eval_results[0].metric_value == pytest.approx(mean, abs=1e-6)
    for name, content in held.items():
        assert str(tmp_path).encode() not in content, name
        assert str(run.parent).encode() not in content, name
    page = hub.repositories["space/ann/design"]["index.html"]
    assert page == (made / "mine" / "report.html").read_bytes()
    monkeypatch.chdir(empty)
    Image.new("L", (30, 20), 170).save("picture.png")
    there, here = sm.load("hub:ann/design"), sm.load(made / "mine")
    assert there.predict("picture.png").ranking == here.predict("picture.png").ranking


REFUSED = {
    "no such model": ("hub:ann/nothing", r"^the hub has no model ann/nothing; if it is private"),
    "no such revision": ("hub:ann/net@v9", r"^the hub has no revision 'v9' of ann/net$"),
    "no slash": ("hub:net", r"^a model of the hub must be USER/NAME, got 'hub:net'$"),
    "above": ("hub:../net", "a model of the hub must be"),
    "up": ("hub:ann/..", "a model of the hub must be"),
    "revision up": ("hub:ann/net@a/../../b", "a model of the hub must be"),
    "three": ("hub:ann/net/more", "a model of the hub must be"),
    "query": ("hub:ann/net?x", "a model of the hub must be"),
    "empty": ("hub:", "a model of the hub must be"),
    "line": ("hub:ann/net\nx", "a model of the hub must be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_name_that_is_none_or_names_nothing_is_one_line(case: str, shared: Any) -> None:
    name, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as refused:
        sm.load(name)
    assert "\n" not in str(refused.value)


def no_run(held: dict[str, bytes], hub: Any) -> None:
    del held["run.json"]


def too_large(held: dict[str, bytes], hub: Any) -> None:
    hub.sizes["weights.safetensors"] = 1 << 40


def altered(held: dict[str, bytes], hub: Any) -> None:
    held["weights.safetensors"] = held["weights.safetensors"][:-4] + b"evil"


def pickled(held: dict[str, bytes], hub: Any) -> None:
    held["weights.safetensors"] = b"\x80\x04cos\nsystem\n(S'touch evil'\ntR."


def another_plan(held: dict[str, bytes], hub: Any) -> None:
    held["run.json"] = held["run.json"].replace(b'"seed": 0', b'"seed": 1')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_run, "ann/net on the hub holds no run of smidgen: no run.json"),
        (too_large, "bytes of weights.safetensors of ann/net must be at most"),
        (altered, "altered"),
        (pickled, "truncated or not a file of smidgen"),
        (another_plan, "altered: its content does not match its digest"),
    ],
)
def test_what_a_stranger_put_there_is_checked_as_any_run(
    change: Any, said: str, shared: Any
) -> None:
    change(shared.repositories["model/ann/net"], shared)
    with pytest.raises(ValueError, match=said):
        sm.load("hub:ann/net")
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no token", "pushing needs a token that may write: HF_TOKEN"),
        ("wrong token", "the token (HF_TOKEN) is wrong or may not"),
        ("somebody else's", "the token (HF_TOKEN) is wrong or may not"),
        ("no network", "the hub cannot be reached for ann/net: "),
        ("no run", "nowhere is no run folder"),
        ("revision", "without a revision"),
        ("licence", "did you mean 'apache-2.0'"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(
    case: str, said: str, run: Path, hub: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, name, more = str(run), "ann/net", ()
    if case == "no token":
        monkeypatch.delenv("HF_TOKEN")
    elif case == "wrong token":
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    elif case == "somebody else's":
        name = "bob/net"
    elif case == "no network":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    elif case == "no run":
        folder = "nowhere"
    elif case == "revision":
        name = "ann/net@main"
    else:
        more = ("--licence", "Apache 2.0!")
    assert smidgen("push", folder, name, *more) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("smidgen: ")
    assert not hub.repositories


def test_without_the_extra_its_name_is_told_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"huggingface_hub: pip install 'datasets>=4' "):
        sm.load("hub:ann/net")
    with pytest.raises(ValueError, match=r"huggingface_hub: pip install 'datasets>=4' "):
        push("no such folder", "ann/net")


def test_a_card_in_the_place_of_a_folder_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match=r"^\.: cannot be written: Is a directory$"):
        write_card(run, ".")


def test_a_card_is_written_over_a_card_alone(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(run, copy)
    with pytest.raises(ValueError, match=r"run.json holds no card, and would be overwritten"):
        write_card(copy, copy / "run.json")
    assert (copy / "run.json").read_bytes() == (run / "run.json").read_bytes()
    assert write_card(copy, tmp_path / "card.md") == write_card(copy, tmp_path / "card.md")


def test_nothing_of_a_stranger_s_run_is_a_heading_or_a_tag_of_its_card(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "strange"
    shutil.copytree(run, copy)
    plan = json.loads((copy / "run.json").read_text())
    del plan["sha256"]
    plan["fingerprint"] = plan["data"] = "`x` <script>\n\n# Heading\x1b[2J"
    (copy / "run.json").write_text(json.dumps(plan))
    (copy / "pictures.safetensors").unlink()  # of the data that the run names no more
    with pytest.warns(UserWarning, match="the card has no figures"):
        text = write_card(copy, tmp_path / "card.md").read_text()
    assert "\n# Heading" not in text
    assert "\x1b" not in text
    plain = re.sub(r"`[^`\n]*`", "", text.replace("\\`", "").partition("\n---\n")[2])
    assert "<script>" not in plain


@pytest.mark.parametrize(
    ("column", "value"),
    [("robust", {"clean": 0.5}), ("images", None), ("seed", None), ("largest_class", "<b>")],
)
def test_rows_of_another_form_beside_a_design_are_one_line(
    column: str, value: Any, run: Path, tmp_path: Path
) -> None:
    design = tmp_path / "design"
    shutil.copytree(run, design / "model")
    (row,) = facts_of(run).rows
    changed = {**row, column: value}
    if value is None:
        del changed[column]
    (design / "rows.jsonl").write_text(json.dumps(changed) + "\n")
    with pytest.raises(ValueError, match=rf"rows\.jsonl, row .*{column}"):
        write_card(design, tmp_path / "card.md")


def test_artefacts_beside_a_run_with_brackets_in_its_name_are_found(
    run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "mine [1]")
    shutil.copytree(run.with_name("mine-onnx"), tmp_path / "mine [1]-onnx")
    assert [one.target for one in facts_of(tmp_path / "mine [1]").artefacts] == ["onnx"]


def test_what_was_exported_of_another_run_is_none_of_this_one_s(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "mine")
    shutil.copytree(run.with_name("mine-onnx"), tmp_path / "mine-onnx")
    proof = tmp_path / "mine-onnx" / "artefact.json"
    proof.write_text(json.dumps(json.loads(proof.read_text()) | {"training_key": "0" * 16}))
    assert not facts_of(tmp_path / "mine").artefacts


def test_what_was_exported_before_it_was_trained_again_is_left_out_and_told(
    run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "mine")
    shutil.copytree(run.with_name("mine-onnx"), tmp_path / "mine-onnx")
    proof = tmp_path / "mine-onnx" / "artefact.json"
    form = json.loads(proof.read_text())
    assert form["training_digest"] == digest(load_run(run))
    proof.write_text(json.dumps(form | {"training_digest": "0" * 16}))
    with pytest.warns(UserWarning, match="mine-onnx is left out: it was exported before the run"):
        assert not facts_of(tmp_path / "mine").artefacts
    del form["training_digest"]  # as older versions wrote it
    proof.write_text(json.dumps(form))
    assert [one.target for one in facts_of(tmp_path / "mine").artefacts] == ["onnx"]


def test_weights_of_another_run_are_not_pushed(run: Path, hub: Any, tmp_path: Path) -> None:
    mine = shutil.copytree(run, tmp_path / "mine")
    tensors, values = load_tensors(mine / WEIGHTS)
    first = min(tensors)
    save_tensors(mine / WEIGHTS, {**tensors, first: tensors[first] + 1}, values)
    with pytest.raises(ValueError, match="weights of another run"):
        push(mine, "ann/mixed")
    assert "model/ann/mixed" not in hub.repositories


def test_a_second_artefact_of_a_target_takes_no_file_of_the_first(
    run: Path, hub: Any, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "mine")
    for name in ("onnx", "onnx-other"):
        shutil.copytree(run.with_name("mine-onnx"), tmp_path / f"mine-{name}")
    other = tmp_path / "mine-onnx-other/artefact.json"
    other.write_text(other.read_text() + "\n")
    push(tmp_path / "mine", "ann/two")
    held = hub.repositories["model/ann/two"]
    for name, folder in (("onnx", "mine-onnx"), ("onnx-2", "mine-onnx-other")):
        for file in ("artefact.json", "mnist_1k5_dw.onnx"):
            assert held[f"artefacts/{name}/{file}"] == (tmp_path / folder / file).read_bytes()
    assert "| `onnx-2` |" in held["README.md"].decode()


@pytest.mark.parametrize(("place", "name"), [(".", "mine"), ("hub:ann/net", "hub:ann/net")])
@pytest.mark.filterwarnings("ignore:the card has no figures")
def test_a_card_names_a_model_as_its_commands_must(
    place: str, name: str, run: Path, shared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    text = write_card(place, tmp_path / "card.md").read_text()
    assert f"smidgen predict {name} picture.jpg" in text
    assert f'sm.load("{name}")' in text
    assert f"smidgen export {name} --to c" in text


def test_a_card_without_data_says_what_was_not_measured(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(run, copy)
    plan = json.loads((copy / "run.json").read_text())
    plan["origin"] = str(tmp_path / "gone")
    del plan["sha256"]
    (copy / "run.json").write_text(json.dumps(plan))
    with pytest.warns(UserWarning, match="the card has no figures: the data of"):
        path = write_card(copy, tmp_path / "card.md")
    text = path.read_text()
    assert "Not measured: the data were not at hand" in text
    assert "model-index" not in text
    with pytest.raises(ValueError, match="there is no folder"):
        write_card(copy, tmp_path / "no" / "card.md")


@pytest.mark.parametrize("name", ["ann/net", "a.b/c_d-1", "ann/net@v1.0", "ann/net@refs/pr/1"])
def test_names_of_the_hub_are_understood(name: str) -> None:
    repository, _, revision = name.partition("@")
    assert place_of(f"{fetching.PREFIX}{name}") == (repository, revision or None)


def test_names_in_the_block_that_the_hub_reads_are_those_of_the_model(run: Path) -> None:
    block = front_matter({"title": "\U0001f600", "tags": ["é\u2028"]})
    assert block == '---\ntitle: "\U0001f600"\ntags: ["é\\u2028"]\n---\n'
    facts = facts_of(run)
    named = replace(facts.run.trial, data="\U0001f600")
    assert '"name": "\U0001f600"' in card_of(replace(facts, run=replace(facts.run, trial=named)))


def test_a_card_of_a_row_that_does_not_know_its_largest_class_leaves_it_out(run: Path) -> None:
    facts = facts_of(run)
    (row,) = facts.rows
    text = card_of(replace(facts, rows=({**row, "largest_class": None},)))
    assert "The largest class" in card_of(facts)
    assert f"judged on {row['images']:,} test images that training did not see.\n" in text


def test_a_card_says_that_pictures_of_few_groups_are_fewer_witnesses(run: Path) -> None:
    facts = facts_of(run)
    told = "18 test images are of 4 groups: for new groups the accuracy is less certain"
    assert told not in card_of(facts)
    assert told in card_of(replace(facts, rows=({**facts.rows[0], "groups": 4},)))


def test_figures_of_one_of_several_seeds_say_so(run: Path) -> None:
    facts = facts_of(run)
    (row,) = facts.rows
    several = replace(facts, rows=(row, {**row, "seed": row["seed"] + 1}))
    said = f"mean over classes; of this model, seed {row['seed']} |"
    assert (said in card_of(several), said in card_of(facts)) == (True, False)


def test_a_seed_that_was_judged_twice_is_one(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(run, copy)
    (row,) = facts_of(copy).rows
    rows = [{**row, "accuracy": 0.5}, row]
    (copy / "rows.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    assert [one["accuracy"] for one in facts_of(copy).rows] == [row["accuracy"]]


def test_a_design_at_home_has_its_rows(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "mine")
    (row,) = facts_of(run).rows
    (tmp_path / "mine" / "rows.jsonl").write_text(json.dumps({**row, "revision": "its own"}))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [one["revision"] for one in facts_of("~/mine").rows] == ["its own"]


def test_a_page_that_is_shared_must_be_hidden_as_its_model_is(
    run: Path, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = Mock()
    monkeypatch.setattr("smidgen.share.push._require_hidden", hidden)
    with pytest.raises(ValueError, match="--space needs a page"):
        push(run, "ann/hidden", private=True, space=True)
    assert [call.args[-1] for call in hidden.call_args_list] == ["model", "space"]
    assert not hub.repositories
