"""The page stands alone: nothing is loaded, nothing is missing, unfinished studies say so."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.report.conftest import MATRIX, NAMES, Rows, of_study, png, row, seen

from smidgen.cli.study import _show
from smidgen.report import _named, write_charts, write_page
from smidgen.report.bars import bars, latency_bars, size_bars
from smidgen.report.chart import SERIES
from smidgen.report.curves import held_out_accuracies, losses
from smidgen.report.notices import largest_of
from smidgen.report.page import charts_of, duration, render
from smidgen.report.points import Point, baselines, points_of
from smidgen.report.scatter import _Box, _dots, accuracy_against_params
from smidgen.report.svg import width_of
from smidgen.study.records import Records, StoreError
from smidgen.study.status import Status

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(study: Rows, written: Callable[[Rows], Path], tmp_path: Path) -> Path:
    command = "smidgen study recipes/reference-mnist.toml --jobs 2"
    return write_page(written(study), tmp_path / "page.html", title="A study", commands=[command])


def test_the_page_is_small_and_names_no_other_place(page: Path) -> None:
    text = page.read_text()
    assert len(text) < 1_500_000
    links = set(re.findall(r"https?://[^\"' <]+", text))
    assert links <= {"http://www.w3.org/2000/svg"}
    assert "smidgen study recipes/reference-mnist.toml --jobs 2" in text
    assert "torch 2.13.0" in text


def test_charts_are_files_that_need_no_page(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    files = write_charts(written(study), tmp_path / "charts")
    assert "mnist-test-images-effects-on-mnist-1k5-dw.svg" in {path.name for path in files}
    for path in files:
        ElementTree.parse(path)  # well formed
        text = path.read_text()
        used, given = (set(re.findall(of, text)) for of in (r"var\((--\w+)\)", r"[{;](--\w+):"))
        assert used
        assert used <= given


def test_charts_of_one_title_are_files_each(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows = [
        row(net, methods, 0, 150, key=f"{net}{methods}")
        for net in ("a.b", "a-b")
        for methods in ([], ["blurpool"])
    ]
    files = write_charts(written(rows), tmp_path / "charts")
    assert len(set(files)) == len(files)
    effects = sorted(path.name for path in files if "effects-on-a" in path.name)
    assert effects == [
        "mnist-test-images-effects-on-a-b-2.svg",
        "mnist-test-images-effects-on-a-b.svg",
    ]


def test_figures_that_are_written_as_whole_numbers_are_figures(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows = [row("net", [], seed, 200 * seed, accuracy=seed, seconds=3) for seed in range(2)]
    for of in rows:
        of["latency"]["kernel_ms"] = 2
    assert "50.00" in write_page(written(rows), tmp_path / "p.html").read_text()


def test_text_from_rows_is_escaped(written: Callable[[Rows], Path], tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    rows = [row("net", [bad], seed, 100 + seed, data=bad) for seed in range(2)]
    text = write_page(written(rows), tmp_path / "p.html", title=bad).read_text()
    assert bad not in text
    assert "&lt;script&gt;alert(1)" in text


def test_no_torch_is_imported(study: Rows, written: Callable[[Rows], Path]) -> None:
    path = written(study)
    script = (
        "import sys; from smidgen.report import write_page, markdown;"
        "write_page(sys.argv[1], sys.argv[2]); markdown(sys.argv[1]); print('torch' in sys.modules)"
    )
    out = str(path.with_name("p.html"))
    found = subprocess.run(
        [sys.executable, "-c", script, str(path), out], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


def test_a_partly_done_study_is_shown_as_such(study: Rows) -> None:
    status = Status(21, 2, 1, 30, 7200.0, (("a trial", "it broke"),))
    text = render(Records(study, status, {}), "t", "", [])
    assert "Partly done" in text
    assert "Trials done: 21 of 54, 2 running, 30 queued, 1 failed; about 2.0 hours to go." in text
    assert "2.0 hours" in text
    assert "a trial: it broke" in text
    whole = render(Records(study, Status(21, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert "All 21 trials are done." in whole
    single = render(Records(study, Status(1, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert "The one trial is done." in single
    assert [duration(of) for of in (1, 29, 60, 120)] == [
        "1 second", "29 seconds", "1 minute", "2 minutes",
    ]  # fmt: skip


def test_of_very_many_failures_some_are_named(
    study: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = tuple((f"trial-{at}", "it broke") for at in range(2_100))
    status = Status(21, 0, 2_100, 0, 0.0, failures)
    text = render(Records(study, status, {}), "t", "", [])
    assert text.count("it broke") == 100
    assert "<li>and 2,000 more, which smidgen study --status --json names</li>" in text
    _show(status, json=False)
    told = capsys.readouterr().err
    assert told.count("it broke") == 100
    assert "failed: 2,000 more, which --status --json names" in told


def test_an_empty_store_gives_a_page(tmp_path: Path) -> None:
    from smidgen.study.store import Store

    Store(tmp_path / "study.db").close()
    text = write_page(tmp_path / "study.db", tmp_path / "p.html").read_text()
    assert "No trial is done yet." in text
    assert "trials are done" not in text


def test_a_single_row_gives_a_page(written: Callable[[Rows], Path], tmp_path: Path) -> None:
    lone = row("mine", [], 0, 100, latency=None)
    text = write_page(written([lone]), tmp_path / "p.html").read_text()
    assert "50.00 ± 6.86 (1 seed)" in text  # Wilson's interval of 100 of 200


def test_rows_of_runs_tell_what_trains_them_again(study: Rows) -> None:
    def told(rows: Rows) -> str:
        page = render(Records(rows, Status(1, 0, 0, 0, 0.0, ()), {}), "t", "", ["smidgen report"])
        return page.partition("How these figures were made")[2].partition("</pre>")[0]

    runs = [{**of, "study": "", "command": f"smidgen train a --seed {of['seed']}"} for of in study]
    assert re.findall(r"smidgen \w+.*", told(runs)) == [
        *(f"smidgen train a --seed {seed}" for seed in range(3)), "smidgen report",
    ]  # fmt: skip
    assert "train" not in told([{**of, "study": "s"} for of in runs]), "one of hundreds"
    many = [{**runs[0], "command": f"train {n}", "seed": n} for n in range(14)]
    assert "train 9\n# and 4 more, as rows tell\n" in told(many)


def test_the_first_screen_says_how_far_the_best_net_got(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows = [row(net, [], 0, right) for net, right in (("worse", 120), ("better", 150))]
    text = write_page(written(rows), tmp_path / "p.html").read_text()
    head = text[: text.index("<h2>")]
    assert re.search(r"<b>75\.00 ± [\d.]+ % \(1 seed\)</b><span>accuracy, ", head)
    assert "<b>better</b><span>with no method</span>" in head
    assert "always the largest class" not in head, "these rows do not tell it"
    share = write_page(written([seen(0)]), tmp_path / "q.html").read_text()
    assert "<b>40.00 %</b><span>always the largest class</span>" in share
    assert "worse" not in head
    assert "test images; the highest of 2, chosen by these images</span>" in head
    alone = write_page(written(rows[1:]), tmp_path / "p.html").read_text()
    assert "test images</span>" in alone[: alone.index("<h2>")]


def test_the_images_of_folds_are_counted_together() -> None:
    of = {"split": "held-out", "confusion": MATRIX, "classes": NAMES}
    folds = [row("a", [], n, 130, trained_on=f"fold-{n + 1}-of-5", **of) for n in range(3)]
    one_part = row("b", [], 0, 130, trained_on="selection", **of)
    pages = [
        render(Records(rows, Status(1, 0, 0, 0, 0.0, ()), {}), "t", "", [])
        for rows in (folds, [one_part], [*folds, one_part])
    ]
    told = [re.findall(r"Accuracy on (.*) held-out images, which", text) for text in pages]
    assert told == [["600"], ["200"], ["200 to 600"]]
    assert "no method, 3 folds of 3 seeds, 600 held-out images of mnist." in pages[0]
    cats = [re.findall(r"cat</th>\s*<td[^>]*>(\d+)<", text) for text in pages]
    assert cats[:2] == [["240"], ["80"]]


@pytest.mark.parametrize(
    "other", [{"recipe": {"epochs": 3, "peak_lr": 0.1}}, {"layers": ["another"]}]
)
def test_the_best_is_chosen_of_all_recipes_and_of_all_nets_of_a_name(other: dict[str, Any]) -> None:
    rows = [row("mine", [], 0, 120), row("mine", [], 0, 150, **other)]
    text = render(Records(rows, Status(2, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    head = text[: text.index("<h2>")]
    assert "<b>75.00 ± " in head
    assert "the highest of 2, chosen by these images" in head


def test_curves_of_a_net_with_two_recipes_have_names_of_their_own() -> None:
    rows = [
        row("mine", [], 0, 120, recipe={"epochs": 3, "label_noise": noise}) for noise in (0.2, 0.4)
    ]
    chart = losses(points_of(rows))
    assert chart
    for noise in (0.2, 0.4):
        assert f">mine, no method, label_noise {noise}<" in chart.wide


def test_names_that_begin_alike_have_a_place_in_a_narrow_legend_each() -> None:
    long = ["blurpool", "squeeze-excite", "cutout(length=8)", "mixup", "label-smoothing"]
    chart = losses(
        points_of([row("mine", [*long, *more], 0, 120) for more in ([], ["swa"], ["sam"])])
    )
    assert chart
    legend = re.findall(r'<circle [^>]*r="5" fill="(#\w+)"/>', chart.narrow)
    assert legend == re.findall(r'<path [^>]*stroke="(#\w+)"', chart.narrow)
    assert len(legend) == 3


def test_a_seed_without_a_history_hides_no_curve() -> None:
    rows = [row("mine", [], 0, 120), row("mine", [], 1, 120, history=[])]
    chart = losses(points_of(rows))
    assert chart
    assert "mine, epoch 3: " in chart.wide


@pytest.mark.parametrize(("share", "ends"), [(0.0, (0, 0.5)), (1.0, (95, 100)), (0.5, (48, 52))])
def test_accuracies_are_drawn_in_percent_of_what_there_can_be(
    share: float, ends: tuple[float, float]
) -> None:
    flat = [
        {"epoch": epoch, "loss": 1.0, "lr": 0.1, "held_out_accuracy": share, "seconds": 1}
        for epoch in (1, 2)
    ]
    chart = held_out_accuracies(points_of([row("mine", [], 0, 120, history=flat)]))
    assert chart
    levels = re.findall(r'text-anchor="end">([^<]*)<', chart.wide)
    assert (float(levels[0]), float(levels[-1])) == ends
    assert f"epoch 2: {100 * share:.2f}" in chart.wide
    assert ">accuracy on held-out images, %<" in chart.wide
    assert chart.title == "Training: accuracy on held-out images"


def test_a_design_s_page_looks_closer_at_the_tested_winner_alone(study: Rows) -> None:
    held_out = {"split": "held-out", "trained_on": "selection"}
    tried = [
        seen(0) | {"key": f"{side}", "net": f"tried-{side}", "fingerprint": f"{side}", **held_out}
        for side in (32, 48)
    ]
    tested = seen(0) | {"net": "winner", "fingerprint": "48"}
    status, notes = Status(3, 0, 0, 0, 0.0, ()), {"design": {"facts": [], "steps": []}}
    heads = re.compile("<h2>A closer look at (.*)</h2>")
    page = render(Records([*tried, tested], status, notes), "t", "", [])
    assert heads.findall(page) == ["winner"]
    forest = row("forest", [], 0, 90, study="baseline")
    assert _named(Records([*tried, tested, forest], status, notes)) == "winner for mnist"
    assert _named(Records([*tried, tested], status, {})) == "s"
    alone = {**tested, "study": ""}  # as of `evaluate --row`
    assert _named(Records([alone, *tried, alone], status, {})) == "s"
    under_way = render(Records(tried, status, notes), "t", "", [])
    assert heads.findall(under_way) == ["tried-32", "tried-48"]
    luckier = seen(0, accuracy=0.99) | {"net": "of-its-front", "fingerprint": "48"}
    notes = {"design": {**notes["design"], "net": "winner"}}
    page = render(Records([*tried, luckier, tested], status, notes), "t", "", [])
    assert heads.findall(page) == ["winner"], "it was chosen before the test"
    assert _named(Records([*tried, luckier, tested], status, notes)) == "winner for mnist"
    a_study = render(Records([*tried, tested], status, {}), "t", "", [])
    assert heads.findall(a_study) == ["tried-32", "winner"]


@pytest.mark.parametrize(
    "given", ["Methods Confirm Recipe Warning", "Methods Recipe Confirm Warning"]
)
def test_what_is_confirmed_stands_behind_the_recipe(given: str) -> None:
    steps = [{"title": title, "lines": ["it"]} for title in given.split()]
    notes = {"design": {"facts": [], "steps": steps}}
    page = render(Records([], Status(1, 0, 0, 0, 0.0, ()), notes), "t", "", [])
    told = re.findall(r"<h3>(Methods|Recipe|Confirm|Warning)</h3>", page)
    assert told == ["Methods", "Recipe", "Confirm", "Warning"]
    assert [step["title"] for step in steps] == given.split(), "what was given is left as it is"


def test_a_design_s_warnings_stand_on_its_page_once(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    told = ["random forest on the same pixels is ahead: 99.00 % accuracy against 65.00 %"]
    steps = [{"title": "Warning", "lines": [*told, "it lies"]}, {"title": "Plan", "lines": told}]
    story = {"facts": [], "steps": steps[:1], "warnings": told, "notices": []}
    beside = {"key": "b", "study": "baseline", "net": "random-forest", "fingerprint": "f"}
    beside |= {"split": "test", "accuracy": 0.99}
    text = write_page(written([seen(0), beside]), tmp_path / "p.html", story=story).read_text()
    assert text.count("random forest on the same pixels") == text.count(f">{told[0]}</p>") == 1
    assert "on the same pixels is ahead" not in text.replace(told[0], "")
    assert "<h3>Warning</h3>" in text, "what is not on top is told where it was said"
    assert "<li>it lies</li>" in text


@pytest.mark.browser
def test_no_table_or_figure_of_a_page_runs_beyond_it(
    written: Callable[[Rows], Path], tmp_path: Path, browser: Any
) -> None:
    methods = ["blurpool", "affine(shift=0.07, anneal=0.25)", "one-cycle", "ema"]
    of = {"split": "held-out", "trained_on": "fold-1-of-5", "images": 34, "macs": 1_571_278}
    folds = [row(f"residual-2-3-2h{n}g2.5-10534", methods, 0, 20, **of) for n in (1, 2)]
    page = write_page(
        written([seen(0), *folds]),
        tmp_path / "p.html",
        story={"facts": [["accuracy", "68.75 [46.83, 87.66] %"], ["MACs", "9"]], "steps": []},
    )
    sheet = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    sheet.set_default_timeout(0)
    sheet.goto(page.as_uri())
    beyond = "ts => ts.map(t => t.parentElement.scrollWidth - t.parentElement.clientWidth)"
    sheet.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert set(sheet.eval_on_selector_all("table", beyond)) == {0}
    first, second = sheet.eval_on_selector_all(
        ".facts b", "bs => bs.map(b => b.getBoundingClientRect().height)"
    )
    assert first == second, "an interval stays on a line"


def test_a_front_is_told_with_the_folders_that_its_nets_are_exported_from(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    point = {"params": 1234, "macs": 5, "accuracy": 0.9, "interval": [0.85, 0.95]}
    point |= {"ram": 5956, "latency_ms": 0.25, "changed": 0.71}
    front = [{"net": f"net-{n}", "folder": f"front/net-{n}", **point} for n in (1, 2)]
    story: dict[str, Any] = {"facts": [], "steps": [], "front_told": "By RAM."}
    page = write_page(written([seen(0)]), tmp_path / "p.html", story={**story, "front": front})
    table = page.read_text().partition("<h3>The front</h3>")[2].partition("</table>")[0]
    assert re.findall(r'data-column="folder"[^>]*>([^<]*)<', table) == [
        "front/net-1",
        "front/net-2",
    ]
    assert "90.00 [85.00, 95.00]" in table
    assert "1,234" in table
    assert (
        re.findall(r'data-column="(?:RAM|ms|changed %)"[^>]*>([^<]*)<', table)
        == [
            *("5,956", "0.250", "71.00"),
        ]
        * 2
    )
    assert "By RAM. Accuracy on test images" in page.read_text()
    alone = write_page(written([seen(0)]), tmp_path / "p.html", story=story)
    assert "The front" not in alone.read_text()


def test_long_tables_are_folded_and_bars_of_many_nets_left_out(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows = [row(f"net-{number}", [], 0, 100 + number) for number in range(11)]
    text = write_page(written(rows), tmp_path / "p.html").read_text()
    assert "<summary>All points<span>11 rows</span></summary>" in text
    size = text[text.index("<figcaption><b>Size</b>") :].partition("</figure>")[0]
    assert "The 10 most accurate of 11 nets are drawn." in size
    assert "net-1," in size
    assert "net-0," not in size, "the least accurate"
    few = write_page(written(rows[:3]), tmp_path / "few.html").read_text()
    assert "<h3>All points</h3>" in few


def test_bars_count_a_net_once_though_it_has_two_recipes() -> None:
    again = {"recipe": {"epochs": 9, "batch_size": 128}, "key": "other"}
    points = points_of(
        [
            *(row(f"net-{number}", ["ema"], 0, 100 + number) for number in range(10)),
            row("net-9", ["ema", "sam"], 0, 190, bytes_int8=999, **again),
        ]
    )
    assert len(points) == 11
    size = size_bars(points)
    assert "are drawn" not in size.note
    assert all(f"net-{number}, int8: " in size.wide for number in range(10))
    assert "999" not in size.wide, "that of more methods"
    (large,) = points_of([row("large", [], 0, 100, bytes_int8=142_520)])
    assert "<title>large, int8: 142,520</title>" in size_bars([large]).wide


def test_the_studys_time_alone_is_no_chart() -> None:
    point = of_study("mnist-1k5-dw", ["cosine"], 0, 100)
    chart = latency_bars(points_of([point]))
    assert chart
    assert "reference study" in chart.wide
    assert latency_bars(points_of([{**point, "latency": None}])) is None


def test_points_are_told_by_what_they_leave_out_of_the_baseline_too() -> None:
    sets = (["blurpool", "crop"], ["blurpool", "ema"], ["crop", "ema"], ["blurpool", "crop", "ema"])
    rows = [row("mine", methods, 0, 100) for methods in sets]
    charts = {of.title: of for _, of in charts_of(Records(rows, Status(4, 0, 0, 0, 0.0, ()), {}))}
    effects, dots = charts["Effects on mine"], charts["Accuracy against parameters"]
    for label in ("ema without crop", "ema without blurpool", "ema"):
        assert f">{label}<" in effects.wide
    assert ">with more methods<" in dots.wide
    assert "without methods" not in dots.wide


def test_it_says_which_images_training_held_out() -> None:
    def told(split: str, *trained_on: str) -> str:
        rows = [row(of, [], 0, 100, split=split, trained_on=of) for of in trained_on]
        return render(Records(rows, Status(1, 0, 0, 0, 0.0, ()), {}), "t", "", [])

    unread, once = "the test set was not read", "read once, after the last epoch"
    assert unread in told("held-out", "selection")
    assert once in told("test", "full")
    for text in (told("test", "selection"), told("test", "full", "selection")):
        assert "test images, read after training, which held other images out" in text
        assert unread not in text
        assert once not in text


def test_what_no_row_tells_of_a_design_stands_on_top_of_its_page() -> None:
    rows = [row("mine", [], 0, 100, split="test", trained_on="full")]
    story: dict[str, Any] = {"facts": [], "steps": []}

    def page(**more: object) -> str:
        notes = {"design": {**story, **more}}
        return render(Records(rows, Status(1, 0, 0, 0, 0.0, ()), notes), "t", "", [])

    top, _ = page(notices=["two models"], read_before=2).split("</header>")
    assert '<p class="notice">two models</p>' in top
    assert "read after the last epoch, and for 2 models before." in page(read_before=2)
    for text in (page(), page(notices=None, read_before=None)):
        assert "read once, after the last epoch." in text
        assert "before." not in text


def test_a_missing_store_or_place_is_named(study: Rows, written: Callable[[Rows], Path]) -> None:
    with pytest.raises(StoreError, match=r"there is no store nowhere.db"):
        write_page("nowhere.db", "p.html")
    path = written(study)
    with pytest.raises(ValueError, match="cannot be written: "):
        write_page(path, path / "p.html")


@pytest.mark.browser
def test_chromium_draws_it_alone_and_sorts_its_tables(page: Path, browser: Any) -> None:
    said: list[str] = []
    asked: list[str] = []
    sheet = browser.new_context(viewport={"width": 1100, "height": 900}).new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many

    def hear(event: Any) -> None:
        said.append(str(event))

    def note(request: Any) -> None:
        asked.append(request.url)

    sheet.on("console", hear)
    sheet.on("pageerror", hear)
    sheet.on("request", note)
    sheet.goto(page.as_uri())
    assert said == []
    assert asked == [page.as_uri()]
    folded = sheet.locator("details").count()
    assert folded > 0
    assert not sheet.locator("details figure").first.is_visible()
    sheet.emulate_media(media="print")
    sheet.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert sheet.locator("details[open]").count() == folded  # on paper nothing can be unfolded
    sheet.emulate_media(media="screen")

    drawn = "nodes => nodes.map(n => [n.getBoundingClientRect().width, n.querySelectorAll('path[d], line').length])"  # noqa: E501
    charts = sheet.eval_on_selector_all("figure .wide svg", drawn)
    assert len(charts) >= 5
    assert all(width > 300 and marks > 5 for width, marks in charts)

    table = sheet.locator("table").first
    table.locator("th button").nth(1).click()
    column = table.locator("tbody td:nth-child(2)").all_inner_texts()
    values = [float(text) for text in column]
    assert values == sorted(values, reverse=True)
    table.locator("th button").nth(1).click()
    again = table.locator("tbody td:nth-child(2)").all_inner_texts()
    assert [float(text) for text in again] == sorted(values)
    for order in ("ascending", "descending"):
        table.locator("th button").first.click()
        names = table.locator("tbody th").all_inner_texts()
        assert names == sorted(names, key=str.casefold, reverse=order == "descending")
        assert table.locator("th").first.get_attribute("aria-sort") == order


def full_page(written: Callable[[Rows], Path], tmp_path: Path, **other: Any) -> Path:
    """Return a page with everything on it: three seeds that show pictures, and a baseline."""
    wrong = [
        {"image": n, "label": 0, "answer": 1, "probability": 0.9, "sure": True} for n in range(30)
    ]
    pictures = {f"test/{n}": png(n) for n in range(24)}
    rows = [seen(seed, wrong=wrong, pictures=pictures, **other) for seed in range(3)]
    beside = {
        "key": "b", "study": "baseline", "net": "random-forest", "fingerprint": "f",
        "split": "test", "accuracy": 0.99,
    }  # fmt: skip
    why = "expected +0.1 points; not measured, as differences here are known to about 0.3"
    method = {"method": "affine(shift=0.07, anneal=0.25)", "standing": "expected", "why": why}
    figure = ["accuracy on test images", "99.54 [98.09, 100.00] %"]
    return write_page(
        written([*rows, beside]),
        tmp_path / "full.html",
        commands=[f"smidgen train {'x' * 90}"],
        story={"facts": [figure], "steps": [], "methods": [method]},
    )


def test_rows_of_every_age_stand_on_one_page(
    study: Rows, written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    text = write_page(written([*study, seen(0)]), tmp_path / "p.html").read_text()
    assert "A closer look at mnist-7k-dw" not in text, "the best point's rows hold nothing to show"
    text = full_page(written, tmp_path).read_text()
    for part in (
        "The surest wrong answers",
        "<b>owl\u200e → dog\u200e</b> <span>100 % (120 of 120)</span>",
        "Labels of test images that the models contradict",
        "The classes",
        "The net, mine",
        "random-forest on the same pixels is ahead",
    ):
        assert part in text
    assert "random-forest, no method" not in text, "a baseline is no point of a study"


def test_a_page_may_do_no_more_than_it_brings_along(page: Path) -> None:
    text = page.read_text()
    rule = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert rule
    assert html.unescape(rule[1]).startswith("default-src 'none'; img-src data:; style-src 'sha256")
    assert "unsafe" not in rule[1]
    assert " style=" not in text, "no such attribute works under this policy"
    assert not re.search(r" on\w+=", text)


def test_tables_say_what_they_and_their_rows_are_of(page: Path) -> None:
    text = page.read_text()
    assert text.count("<main>") == text.count("</main>") == 1
    assert '<table aria-label="All points">' in text
    rows = re.findall(r"<tbody>\s*<tr><(th|td) ([^>]*)>", text)
    assert rows
    assert all(tag == "th" and of.startswith('scope="row" ') for tag, of in rows)


@pytest.mark.browser
def test_a_script_from_elsewhere_does_not_run(page: Path, browser: Any) -> None:
    bad = page.with_name("bad.html")
    text = page.read_text().replace("<header>", "<script>document.title = 'taken'</script><header>")
    bad.write_text(text.replace("<h1>", "<h1 style='color: red' onclick='document.title = 1'>"))
    sheet = browser.new_context().new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    sheet.goto(bad.as_uri())
    sheet.locator("h1").click()
    assert sheet.title() == "A study"
    assert (
        sheet.evaluate("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    )


@pytest.mark.browser
def test_a_phone_cuts_nothing_off(
    written: Callable[[Rows], Path], tmp_path: Path, browser: Any
) -> None:
    path = full_page(written, tmp_path, methods=["affine(shift=0.07, anneal=0.25)", "one-cycle"])
    sheet = browser.new_context(viewport={"width": 390, "height": 840}).new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    said: list[str] = []
    sheet.on("console", lambda event: said.append(str(event)))  # pyright: ignore[reportUnknownLambdaType]
    sheet.goto(path.as_uri())
    assert said == []
    assert sheet.evaluate("document.documentElement.scrollHeight") < 9000
    for summary in sheet.locator("summary").all():
        summary.click()
    beyond = "nodes => nodes.filter(n => n.offsetParent && n.getBoundingClientRect().right > 390 || n.scrollWidth > n.clientWidth + 1).length"  # noqa: E501
    for what in ("td", "tbody th", ".table", "pre", ".shots li", "figure", ".facts div"):
        assert sheet.locator(what).count() > 0
        assert sheet.eval_on_selector_all(what, beyond) == 0, what
    sheet.set_viewport_size({"width": 1100, "height": 900})
    assert sheet.eval_on_selector_all(".facts div", beyond.replace("390", "1100")) == 0
    sheet.set_viewport_size({"width": 390, "height": 840})
    said_of = "getComputedStyle(document.querySelector('.many thead tr'), '::before').content"
    assert sheet.evaluate(said_of) == '"sort by"', "what the row of names is for"
    first, second = (sheet.locator(".many tbody td").nth(n).bounding_box() for n in (0, 1))
    assert first["y"] == second["y"], "figures stand in two columns"
    assert first["x"] + first["width"] <= second["x"]
    drawn = sheet.eval_on_selector_all(".shots img", "nodes => nodes.map(n => n.naturalWidth)")
    assert drawn == [4] * len(drawn)
    assert len(drawn) == 48


@pytest.mark.browser
def test_sentences_of_a_table_break_at_the_end_of_the_column_of_the_page(
    written: Callable[[Rows], Path], tmp_path: Path, browser: Any
) -> None:
    method = {"method": "blurpool", "standing": "always", "why": 40 * "known to help "}
    story: dict[str, Any] = {"facts": [], "steps": [], "methods": [method]}
    path = write_page(written([seen(0)]), tmp_path / "p.html", story=story)
    sheet = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    sheet.goto(path.as_uri())
    right = "node => node.getBoundingClientRect().right"
    table = sheet.eval_on_selector('table[aria-label="Its methods"]', right)
    assert table <= sheet.eval_on_selector("main", right)


@pytest.mark.browser
def test_it_fits_a_phone_in_the_dark(page: Path, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    sheet = context.new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    sheet.goto(page.as_uri())
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 360
    assert sheet.locator("figure .narrow svg").first.is_visible()
    assert not sheet.locator("figure .wide svg").first.is_visible()
    paper = sheet.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = sheet.evaluate("getComputedStyle(document.querySelector('figure .narrow svg text')).fill")
    assert brightness(paper) < 60
    assert brightness(ink) > 120


@pytest.mark.browser
def test_wide_tables_take_the_room_beside_the_text_and_no_more(page: Path, browser: Any) -> None:
    sheet = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    sheet.set_default_timeout(0)  # milliseconds; a busy machine may need many
    sheet.goto(page.as_uri())
    edges = "nodes => nodes.map(n => n.getBoundingClientRect().right)"
    assert all(1200 < edge <= 1264 for edge in sheet.eval_on_selector_all(".table", edges))
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 1280


def brightness(colour: str) -> float:
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
    return (red + green + blue) / 3


def test_a_legend_is_cut_where_a_drawing_ends() -> None:
    name = " + ".join(["label-smoothing"] * 5)
    chart = bars("T", "accuracy, %", {name: {"fog": 53.04}}, "", ".1f")
    assert ">53.0<" in chart.wide
    assert f">{name}<" in chart.wide
    assert f">{name}<" not in chart.narrow
    assert f"fog, {name}: 53.04" in chart.narrow, "whole under the pointer"


def test_the_baseline_lies_above_what_would_hide_it() -> None:
    rows = [row("a", methods, 0, 150) for methods in ([], ["sam"], ["mixup"])]
    chart = accuracy_against_params(points_of(rows))
    assert chart
    dots = re.findall(r'<circle [^>]*fill="(#\w+)"><title>a', chart.wide)
    assert dots == [SERIES[1], SERIES[1], SERIES[0]]
    lengths = [
        row("a", methods, 0, 150 + epochs, recipe={"epochs": epochs}, epochs=epochs)
        for epochs, methods in ((20, ["sam"]), (40, []))
    ]
    chart = accuracy_against_params(points_of(lengths))
    assert chart
    assert ">a, 20 epochs<" in chart.wide, "two points of one name are told apart"


def test_data_of_one_name_are_told_apart_on_the_first_screen() -> None:
    rows = [seen(0, fingerprint=of, key=of) for of in ("abcdef01", "12345678")]
    page = render(Records(rows, Status(2, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    for name in ("mnist (abcdef)", "mnist (123456)"):
        assert f"accuracy, {name}, test images" in page
        assert f"200 test images of {name}." in page
    alone = render(Records(rows[:1], Status(1, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert "accuracy, mnist, test images" in alone


def test_a_model_judged_on_other_data_is_no_trial_of_them(
    written: Callable[[Rows], Path], tmp_path: Path
) -> None:
    other = seen(0, key="0123-f", data="other")
    page = write_page(written([other, other]), tmp_path / "p.html").read_text()
    assert "The one trial is done." in page
    assert "Recipe on other" not in page
    assert "images of other data than the nets were trained on." in page
    own = write_page(written([{**other, "key": "0123"}]), tmp_path / "own.html").read_text()
    assert "Recipe on other: epochs 3" in own
    assert [own.count("<b>Training: loss"), page.count("<b>Training: loss")] == [1, 0]


def test_the_largest_class_of_folds_is_that_of_their_images_together() -> None:
    first, second = [[3, 0, 0], [7, 0, 0], [0] * 3], [[6, 0, 0], [5, 0, 0], [0] * 3]
    rows = [
        seen(0, confusion=of, images=images, accuracy=reached, trained_on=f"fold-{n}-of-2",
             largest_class=max(map(sum, of)) / images, split="held-out")
        for n, of, images, reached in ((1, first, 10, 0.3), (2, second, 11, 6 / 11))
    ]  # fmt: skip
    assert largest_of(rows) == 12 / 21
    page = render(Records(rows, Status(2, 0, 0, 0, 0.0, ()), {}), "t", "", [])
    assert page.count("57.14 %") >= 2, "in the figures and beside the balanced accuracy"
    old = [{**of, "confusion": None} for of in rows]
    assert largest_of(old) == pytest.approx((7 + 6) / 21)
    assert largest_of([row("a", [], 0, 100)]) is None


def test_a_method_at_one_length_is_no_baseline_of_a_net_that_was_trained_longer() -> None:
    rows = [
        row("a", methods, 0, 150 + 10 * epochs, recipe={"epochs": epochs}, epochs=epochs)
        for epochs, methods in ((1, ["c"]), (2, ["c"]), (4, ["c"]), (2, ["c", "ema"]))
    ]
    kinds = {dot.told.partition(":")[0]: (dot.kind, dot.name) for dot in _dots(points_of(rows))}
    assert kinds == {
        "a, c": ("baseline", "a"),
        "a, c + ema": ("with more methods", "1"),
    }
    chart = accuracy_against_params(points_of(rows))
    assert chart
    assert chart.note.endswith(" 1: a, ema, 2 epochs.")


def test_every_one_of_few_points_has_a_name_of_its_own() -> None:
    sets = ([], ["sam"], ["mixup", "sam"])
    rows = [
        row(net, methods, 0, 100 + 5 * len(methods) + 20 * (net == "b"))
        for net in "ab"
        for methods in sets
    ]
    names = [dot.name for dot in _dots(points_of(rows))]
    assert names == ["a", "1", "2", "b", "3", "best: 4"]
    chart = accuracy_against_params(points_of(rows))
    assert chart
    assert chart.note.endswith(" 1: a, sam; 2: a, mixup + sam; 3: b, sam; 4: b, mixup + sam.")
    many = [row("a", [f"m{n}"] * bool(n), 0, 100 + n) for n in range(15)]
    assert [dot.name for dot in _dots(points_of(many)) if dot.name] == ["a", "best: a, 1 method"]


def test_of_very_many_nets_the_most_accurate_are_named() -> None:
    nets = [row(f"net-{at:03}", [], 0, 100 + at // 2, params=1000 + at) for at in range(100)]
    named = [dot for dot in _dots(points_of(nets)) if dot.name]
    assert [dot.name for dot in named] == [f"net-{at:03}" for at in range(60, 100)]
    equal = [row(f"net-{at:03}", [], 0, 100, params=2000 - at) for at in range(100)]
    named = [dot for dot in _dots(points_of(equal)) if dot.name]
    assert [dot.name for dot in named] == [
        "best: net-000",
        *(f"net-{at:03}" for at in range(60, 100)),
    ]


def test_names_of_very_many_nets_are_placed_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place was held against each point: a report of 5,000 nets took most of a minute."""
    asked: list[int] = []
    overlaps = _Box.overlaps

    def counted(self: _Box, others: Any) -> bool:
        asked.append(len(others))
        return overlaps(self, others)

    monkeypatch.setattr(_Box, "overlaps", counted)
    nets = [row(f"net-{at:03}", [], 0, 100 + at // 3, params=1000 + at) for at in range(300)]
    assert accuracy_against_params(points_of(nets)) is not None
    assert min(asked) >= 300, "of all points in one step"
    assert _Box(0, 2, 0, 2).overlaps(np.array([(5, 6, 0, 1), (1, 3, 1, 3)]))
    assert not _Box(0, 2, 0, 2).overlaps(np.array([(2, 3, 0, 2), (0, 2, 2, 3), (-1, 0, -1, 0)]))


def test_a_net_with_very_many_methods_finds_its_baseline_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = points_of([row("net", [f"cutout(length={at})"], 0, 100) for at in range(200)])
    asked: list[Point] = []

    def counting(point: Point) -> tuple[str, ...]:
        asked.append(point)
        return tuple(point.first["methods"])

    monkeypatch.setattr(Point, "methods", property(counting))
    ((baseline, others),) = baselines(points)
    assert (baseline, len(others)) == (points[0], 199)
    assert len(asked) < 10 * len(points)


def drawn_points(svg: str) -> list[tuple[float, float]]:
    """Return where our points and the reference study's lie; the legend's have no words."""
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" [^>]*><title>', svg)
    diamonds = re.findall(r'<path d="M([\d.]+) ([\d.]+)L[^>]*><title>', svg)
    return [(float(x), float(y)) for x, y in dots] + [(float(x), float(y) + 5) for x, y in diamonds]


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_names_of_nets_cover_no_point(width: str) -> None:
    sizes = [500, 700, 800, 1000, 2000, 2300]
    rows = [
        row(f"net-of-{size}", ["ema"], 0, 150 + 2 * (number // 2), params=size)
        for number, size in enumerate(sizes)
    ]
    studied = (ROOT / "results" / "reference-mnist.jsonl").read_text().splitlines()
    for some, many in ((rows, len(sizes)), (list(map(json.loads, studied)), 6)):
        chart = accuracy_against_params(points_of(some))
        assert chart
        drawn = str(getattr(chart, width))
        names = re.findall(
            r'<text x="([\d.]+)" y="([\d.]+)" [^>]*font-size="(\d+)">((?:net|mnist)-[\w-]+)<', drawn
        )
        assert len(names) >= many - (width == "narrow")
        assert len(drawn_points(drawn)) >= many
        for x, y, size, name in names:
            left, base, height = float(x), float(y), int(size)
            right = left + width_of(name, height)
            for at, level in drawn_points(drawn):
                beside = right <= at - 4 or at + 4 <= left
                assert beside or not base - height < level + 2 < base + 4, name
