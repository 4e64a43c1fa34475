"""A front holds the nets that no smaller one beats, each with a run of its own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.design.conftest import PROFILE, Fake, row

from smidgen.data import Data
from smidgen.export.c.footprint import predict_cost
from smidgen.layers import Shape
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.report import write_page
from smidgen.run import load_run
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget, Latencies, net_key
from smidgen.study.design.design import STORE, design
from smidgen.study.design.front import few_told, front_of, kept, likewise, told_front, told_points
from smidgen.study.design.ladder import ladder
from smidgen.study.design.maker import Maker
from smidgen.study.design.profile import PROFILES
from smidgen.study.design.reduce import Entrant, choose
from smidgen.study.design.search import Candidate
from smidgen.study.job import Origin

BUDGET = Budget(max_params=10_000)


def entrants(digits: Data, budget: Budget) -> list[Entrant]:
    maker = Maker(Shape(*digits.shape), 10, budget)
    made = [Entrant(one, maker) for one in ladder(maker, 6, smallest=True)]
    return sorted(made, key=lambda one: one.excess)


def test_what_a_smaller_net_reaches_is_not_on_the_front(digits: Data) -> None:
    nets = entrants(digits, Budget(max_params=1000))
    scores = dict(zip(nets, [80.0, 90.0, 85.0, 90.0, 95.0, 94.0], strict=True))
    assert front_of(scores) == [nets[0], nets[1], nets[4]]


def test_a_few_bytes_less_of_what_binds_make_no_smaller_net(
    digits: Data, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = entrants(digits, Budget(max_params=1000))[:3]
    budget = Budget(max_params=1000, max_ram=6144)
    nets = [replace(one, maker=replace(one.maker, budget=budget)) for one in made]
    few, many, little = sorted(nets, key=lambda one: one.shaped.spec.params)
    needs = {few.shaped.spec: 6128, many.shaped.spec: 5956, little.shaped.spec: 2000}

    def figures(maker: Maker, spec: NetSpec) -> dict[str, float | int]:
        del maker
        return {"params": spec.params, "ram": needs[spec]}

    monkeypatch.setattr(Maker, "figures", figures)
    monkeypatch.setattr(Maker, "excess", lambda _, spec: needs[spec] / 6144)  # pyright: ignore
    assert front_of({few: 47.1, many: 37.6, little: 21.9}) == [little, few]
    assert front_of({few: 47.1, many: 47.1, little: 47.1}) == [little, few]
    assert front_of({few: 37.6, many: 47.1}) == [many, few]
    search = fake(lambda candidate, seed: 0.9).search
    assert choose(search, {few: 47.1, many: 47.2}, PROFILE, "smallest", str) == few
    assert "by its shares of the limits of params and ram, within" in search.steps["reduce"][0]


def test_a_front_is_told_by_what_the_budget_leaves_it_the_least_of(
    fake: Fake, digits: Data, tmp_path: Path
) -> None:
    budget = Budget(max_flash=10**6, max_ram=6144)
    nets = [one.shaped.spec for one in entrants(digits, BUDGET)[:3]]
    search = fake(lambda candidate, seed: 0.9).search
    rows = {Candidate(net, (), Recipe(epochs=1)): {} for net in nets}
    for one in rows:
        rows[one][0] = row(one, 0.9)
        search.store.folder(search.key(one, 0, full=True)).mkdir(parents=True)
    points = kept(search, rows, tmp_path / "out", budget)
    found = told_points(points, tmp_path / "out")
    assert [list(point.sizes) for point in points] == [["ram", "flash", "params"]] * 3
    assert [of["ram"] for of in found] == sorted(predict_cost(net).ram for net in nets)
    assert {of["flash"] for of in found} == {predict_cost(net).flash for net in nets}
    assert told_front(points).startswith("By RAM, the smallest first. What is not here was reached")
    assert "needs no more of RAM, flash and parameters, or at most 5 % more" in told_front(points)
    assert told_front([]) == ""
    assert [len(few_told(points[:n])) for n in range(4)] == [0, 1, 1, 0]
    assert few_told(points[:1])[0].startswith("the front has 1 net: these reached all others")


def test_a_front_has_the_times_that_its_nets_were_admitted_by(
    fake: Fake, digits: Data, tmp_path: Path
) -> None:
    nets = [one.shaped.spec for one in entrants(digits, BUDGET)[:2]]
    search = fake(lambda candidate, seed: 0.9).search
    rows = {Candidate(net, (), Recipe(epochs=1)): {} for net in nets}
    for one in rows:  # the last run of the smaller one was timed beside another
        rows[one][0] = row(one, 0.9) | {"latency": {"kernel_ms": 900 / one.net.params}}
        search.store.folder(search.key(one, 0, full=True)).mkdir(parents=True)
    took = {net_key(net): net.params / 1e4 for net in nets}
    points = kept(search, rows, tmp_path / "out", Budget(max_latency=1.0), Latencies(took))
    found = told_points(points, tmp_path / "out")
    assert [of["latency_ms"] for of in found] == sorted(took.values())
    assert "the limit was held against: of the untrained net" in told_front(points)


def test_nets_of_a_front_leave_out_what_would_break_the_budget(digits: Data) -> None:
    nets = entrants(digits, Budget(max_params=1000))
    methods = parse("one-cycle, squeeze-excite, ema")
    winner = Candidate(nets[0].shaped.spec, methods, Recipe(epochs=3))
    found = likewise(nets, winner)
    assert [one.recipe.epochs for one in found] == [3] * 6
    assert "squeeze-excite" in {m.name for m in found[0].methods}
    assert {m.name for m in found[-1].methods} == {"one-cycle", "ema"}


def test_one_net_for_images_of_two_sizes_has_a_folder_for_each(
    fake: Fake, digits: Data, tiny: NetSpec, tmp_path: Path
) -> None:
    search = fake(lambda candidate, seed: 0.9).search
    small = Origin("digits", image_size="6x6")
    search._data[small] = digits
    one = Candidate(tiny, (), Recipe(epochs=1))
    other = replace(one, net=replace(tiny, input_shape=Shape(1, 6, 6)), origin=small)
    for candidate in (one, other):
        folder = search.store.folder(search.key(candidate, 0, full=True))
        folder.mkdir(parents=True)
        (folder / "elsewhere").symlink_to(tmp_path)
        (folder / "of").write_text(str(candidate.net.input_shape))
    points = kept(search, {of: {0: row(of, 0.9)} for of in (one, other)}, tmp_path / "out", BUDGET)
    assert {(point.folder / "of").read_text() for point in points} == {"1x8x8", "1x6x6"}
    assert [path.name for point in points for path in point.folder.iterdir()] == ["of", "of"]
    plans = [point.folder.with_name(f"{point.folder.name}.toml").read_text() for point in points]
    assert len(set(plans)) == 2
    exported = tmp_path / "out" / "front" / "net-c" / "net.c"
    exported.parent.mkdir()
    exported.write_text("int8")
    (again,) = kept(search, {one: {0: row(one, 0.9)}}, tmp_path / "out", BUDGET)
    assert {path.name for path in (tmp_path / "out" / "front").iterdir()} == {
        "net-c", again.folder.name, f"{again.folder.name}.toml"
    }  # fmt: skip
    assert exported.read_text() == "int8"


def test_a_front_leaves_more_nets_for_the_last_round() -> None:
    wide = PROFILES["quick"].for_front
    assert [one.nets for one in wide.rounds] == [9, 6, 6]
    assert wide.move_rounds == 0


@pytest.mark.slow
def test_every_point_of_a_front_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "quick", PROFILE)
    out = tmp_path / "out"
    found = design(Origin("digits"), Budget(max_params=600), out, epochs=2, pareto=True)
    assert len(found.front) >= 2
    assert [p.params for p in found.front] == sorted(p.params for p in found.front)
    for point in found.front:
        run = load_run(point.folder)
        assert run.trial.spec.params == point.params <= 600
        assert run.trial.split == "full"
        assert (out / "front" / f"{point.name}.toml").exists()
    assert found.net.name in {point.name for point in found.front}
    page = write_page(out / STORE, out / "report.html").read_text()
    assert f"<title>{found.net.name} for digits</title>" in page
    assert "of each net of the front" in page  # as many last runs, says the plan
    assert "<b>Accuracy against parameters</b>" in page
    _, _, table = page.partition("<h3>The front</h3>")
    rows = table.partition("</table>")[0].partition("<tbody>")[2].split("</tr>")[:-1]
    for point, told in zip(found.front, rows, strict=True):
        assert f">{point.params:,}</td>" in told
        assert f">{point.accuracy.mean:.2f} [" in told
        (folder,) = re.findall(r'data-column="folder"[^>]*>([^<]*)<', told)
        assert out / folder == point.folder
