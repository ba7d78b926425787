"""What learning and the order save: figures against ones worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from napari_adasam import cli
from napari_adasam.domain.errors import InputError
from napari_adasam.evaluation.saved_work import curves, read_results, summary, table, ways

GROUPS = [f"g{at}" for at in range(30)]


def row(clicks: list[int], order: str = "random", learning: bool = False, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "order": order,
        "learning": learning,
        "seed": seed,
        "images": len(clicks),
        "clicks": sum(clicks),
        "strokes_px": 10 * sum(clicks),
        "clicks_by_image": clicks,
        "strokes_px_by_image": [10 * one for one in clicks],
        "dice_by_image": [0.9] * len(clicks),
        "groups_by_image": GROUPS[: len(clicks)],
        "as_suggested": 0,
        "dice_accepted": 0.97,
        "rounds": 4 if learning else 0,
        "rounds_accepted": 3 if learning else 0,
    } | more


def result(*rows: dict[str, Any], model: str = "adasam-us") -> dict[str, Any]:
    return {"study": "session", "model": model, "input_size": 512, "rows": list(rows)}


def ratio(found: dict[str, Any], of: str, over: str) -> list[float]:
    (only,) = (
        one for one in found["ratios"] if (one["of"], one["over"]) == (f"adasam-us@512, {of}", f"adasam-us@512, {over}")
    )
    return list(only["clicks"])


def test_where_each_image_costs_the_same_share_the_interval_is_the_ratio_itself() -> None:
    clicks = [3 * (1 + at % 4) for at in range(30)]
    found = summary([result(row(clicks), row([one // 3 for one in clicks], "active", True))])
    assert ratio(found, "static, random", "learning, active") == pytest.approx([3.0, 3.0, 3.0])
    assert found["ways"][0]["clicks"][0] == pytest.approx(sum(clicks))


def test_seeds_on_the_same_images_do_not_narrow_the_interval() -> None:
    clicks = np.random.default_rng(0).integers(0, 6, 30).tolist()
    one = summary([result(row(clicks))])["ways"][0]["clicks"]
    three = summary([result(*(row(clicks, seed=seed) for seed in range(3)))])["ways"][0]
    assert three["clicks"] == pytest.approx(one)
    assert three["clicks_by_seed"] == [sum(clicks)] * 3
    without = summary(
        [result(*(row(clicks[seed:] + clicks[:seed], seed=seed, groups_by_image=None) for seed in range(3)))]
    )
    assert without["ways"][0]["clicks"] == pytest.approx(one, rel=0.1), "as wide without known groups"


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(60):
        low, high = summary([result(row(rng.poisson(3.0, 30).tolist()))])["ways"][0]["clicks"][1:]
        held += low <= 90 <= high
    assert 50 <= held <= 60


def test_images_of_one_person_have_no_interval() -> None:
    """As one group has none in the other studies: nothing says what another person's images would take."""
    found = summary([result(row([1, 2, 3], groups_by_image=["a"] * 3), row([1, 1, 1], "active", True))])
    assert found["ways"][0]["clicks"] == [6.0, None, None]
    assert None not in found["ways"][1]["clicks"]
    assert ratio(found, "static, random", "learning, active") == [2.0, None, None]
    assert "| 6 (–––) |" in table(found)


def test_orders_are_compared_where_the_same_model_learns() -> None:
    rows = row([2] * 4, "active", True), row([3] * 4, "random", True), row([4] * 4, "file", True), row([6] * 4)
    found = summary([result(*rows), result(row([9] * 4), model="weights/other.pt")])
    assert {(one["of"], one["over"]) for one in found["ratios"] if "static" not in one["of"]} == {
        ("adasam-us@512, learning, random", "adasam-us@512, learning, active"),
        ("adasam-us@512, learning, file", "adasam-us@512, learning, active"),
    }
    assert ratio(found, "learning, random", "learning, active")[0] == pytest.approx(1.5)
    assert ("other@512, static, random", "adasam-us@512, learning, file") in {
        (one["of"], one["over"]) for one in found["ratios"]
    }


def test_models_that_stay_as_they_are_are_compared_with_the_first() -> None:
    found = summary([result(row([2] * 4)), result(row([6] * 4), model="other.pt")])
    (only,) = found["ratios"]
    assert (only["of"], only["over"]) == ("other@512, static, random", "adasam-us@512, static, random")
    assert only["clicks"] == pytest.approx([3.0] * 3)


def test_nothing_left_to_do_is_no_number() -> None:
    found = summary([result(row([1] * 4), row([0] * 4, "active", True))])
    assert ratio(found, "static, random", "learning, active") == [None, None, None]
    assert "– (–––)" in table(found)


def test_rows_of_several_files_are_one_way_and_the_later_of_a_seed_counts() -> None:
    found = ways([result(row([1] * 4)), result(row([2] * 4, seed=1), row([5] * 4, seed=0))])
    assert [[one["clicks"] for one in way.rows] for way in found] == [[20, 8]]


def test_curves_are_moving_means_over_the_order_of_work_and_means_over_seeds() -> None:
    rising = list(range(30))
    drawn = curves([result(row(rising), row([one + 2 for one in rising], seed=1), row(rising, "active", True))])
    paths = [
        one for one in ElementTree.fromstring(drawn).iter() if one.tag.endswith("path") and "L" in one.get("d", "")
    ]
    assert len(paths) == 6, "two ways in three panels"
    first, last = paths[2].get("d", "")[1:].split("L")[0], paths[2].get("d", "").split("L")[-1]
    assert float(first.split(",")[0]) < float(last.split(",")[0])
    assert float(first.split(",")[1]) > float(last.split(",")[1]), "more effort stands higher"
    assert "adasam-us@512, static, random" in drawn
    assert "e+0" not in curves([result(row([900 + one for one in rising]))]), "numbers as people write them"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    paths[0].write_text(json.dumps(result(row([3] * 12))))
    paths[1].write_text(json.dumps(result(row([1] * 12, "active", True))))
    return paths


def test_the_command_lays_files_beside_each_other(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files[0].parent
    words = ["effort", *map(str, files), "--table", str(out / "t.md"), "--plot", str(out / "p.svg")]
    monkeypatch.setattr("sys.argv", ["napari-adasam", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert ratio(json.loads(capsys.readouterr().out), "static, random", "learning, active")[0] == pytest.approx(3.0)
    assert "| 3.00 (3.00–3.00) |" in (out / "t.md").read_text()
    assert (out / "p.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("text", ["", "[]", '{"study": "labels", "rows": []}', '{"study": "session", "rows": []}'])
def test_another_file_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="no result of the study session"):
        read_results([tmp_path / "x.json"])


def test_two_models_of_one_name_are_not_taken_for_one(tmp_path: Path) -> None:
    for name, weights in (("one", "aaaa"), ("two", "bbbb"), ("again", "aaaa")):
        content = result(row([3, 4]), model=f"{name}/model.safetensors") | {"fingerprint": weights}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert len(read_results([tmp_path / "one.json", tmp_path / "again.json"])) == 2
    with pytest.raises(InputError, match="two models that are both called model@512"):
        read_results([tmp_path / "one.json", tmp_path / "two.json"])


@pytest.mark.parametrize(
    "more",
    [
        {"clicks_by_image": None},
        {"clicks_by_image": ["one", "two"], "groups_by_image": ["a", "b"]},
        {"groups_by_image": ["a"]},
        {f"{name}_by_image": [] for name in ("clicks", "strokes_px", "dice", "groups")},
        {"rounds": None},
    ],
)
def test_a_result_that_lacks_figures_is_refused_with_a_sentence(tmp_path: Path, more: dict[str, Any]) -> None:
    (tmp_path / "x.json").write_text(json.dumps(result(row([1, 2]) | more)))
    with pytest.raises(InputError, match="no result of the study session"):
        read_results([tmp_path / "x.json"])


def test_a_file_of_brackets_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="no result of the study session"):
        read_results([tmp_path / "x.json"])


def test_results_of_several_data_sets_are_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("muscle", "breast"):
        (tmp_path / f"{name}.json").write_text(json.dumps(result(row([1, 2])) | {"dataset": name}))
    assert len(read_results([tmp_path / "muscle.json"] * 2)) == 2
    with pytest.raises(InputError, match="several data sets: breast, muscle"):
        read_results([tmp_path / "muscle.json", tmp_path / "breast.json"])


def test_a_result_is_not_written_over(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files[1].read_bytes()
    monkeypatch.setattr("sys.argv", ["napari-adasam", "effort", *map(str, files), "--table", str(files[1])])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "Give another name" in capsys.readouterr().err
    assert files[1].read_bytes() == before
