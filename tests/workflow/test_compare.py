"""Runs beside each other: on the same photos only, in words, as JSON and as a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.reporting.pages import Page, check_self_contained
from tests.workflow.finished import change_json, change_table, copy_run, make_wrong

import photograft
from photograft.errors import ConfigError, DataError, IntegrityError, ModelError
from photograft.reporting.compare_page import render_compare
from photograft.schemas import load_schema
from photograft.workflow.compare import RunComparison, compare_runs
from photograft.workflow.train import TrainedRun

N = 60


@pytest.fixture
def runs(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """Three runs on the same 60 photos: of `첫 번째` 15 are wrong, of `two` 3, of `three` the same 15 and one more."""
    folder = tmp_path / "모든 runs"
    for name, wrong in (("첫 번째", set(range(15))), ("two", {0, 1, 59}), ("three", set(range(16)))):
        make_wrong(copy_run(tiny_run.run, folder / f"2026-11-22-{name}"), wrong)
    change_json(folder / "2026-11-22-two" / "report.json", lambda report: report["settings"]["input"].update(px=96))
    return folder


def compare(folder: Path, *names: str, **options: object) -> RunComparison:
    return compare_runs(*names, runs_dir=folder, **options)  # type: ignore[arg-type]


def test_two_runs_are_told_in_words_and_as_json(runs: Path) -> None:
    done = compare(runs, "첫 번째", "two")
    (pair,) = done.document["comparisons"]
    assert (pair["a"], pair["b"], pair["n"], pair["only_a"], pair["only_b"]) == ("two", "첫 번째", N, 13, 1)
    assert pair["difference"] == pytest.approx(12 / N)
    assert (pair["verdict"], pair["partly"], pair["p_corrected"]) == ("better", False, pair["p"])
    assert pair["sentence"].startswith("two beats 첫 번째 by 20.0 points (")
    assert [len(pair[key]) for key in ("only_a_photos", "only_b_photos")] == [12, 1]
    assert all(photo["path"] and photo["sure"] == 0.75 for photo in pair["only_a_photos"])
    assert done.document["settings"] == [{"name": "input.px", "values": [64, 96]}]
    Draft202012Validator(load_schema("compare")).validate(done.to_json())
    lines = done.lines()
    assert lines[0].split() == ["run", "accuracy", "95", "%", "macro-F1", "n", "judged", "on", "photos", "minutes"]
    assert "  right by two alone: 13 photos; by 첫 번째 alone: 1 photo (McNemar p 0.0018)" in lines
    assert "  input.px: 64, 96" in lines


def test_several_runs_are_compared_with_one_and_corrected(runs: Path) -> None:
    document = compare(runs, "첫 번째", "two", "three").document
    assert [(pair["a"], pair["verdict"]) for pair in document["comparisons"]] == [("two", "better"), ("three", "same")]
    assert document["comparisons"][0]["p_corrected"] == pytest.approx(2 * document["comparisons"][0]["p"])
    other = compare(runs, "첫 번째", "three", against="two").document
    assert (other["reference"], [run["name"] for run in other["runs"]]) == ("two", ["two", "첫 번째", "three"])
    assert {pair["verdict"] for pair in other["comparisons"]} == {"worse"}
    assert compare(runs, "첫 번째", "two", against="two").document["comparisons"][0]["a"] == "첫 번째"


def test_a_difference_that_several_comparisons_explain_is_unsure(runs: Path, tiny_run: TrainedRun) -> None:
    make_wrong(copy_run(tiny_run.run, runs / "2026-11-22-four"), set(range(6, 15)))
    alone, (several, _) = (
        compare(runs, *names).document["comparisons"] for names in (("첫 번째", "four"), ("첫 번째", "four", "three"))
    )
    assert (alone[0]["verdict"], alone[0]["p"] < 0.05) == ("better", True)
    assert (several["verdict"], several["p_corrected"] > 0.05) == ("unsure", True)
    lines = compare(runs, "첫 번째", "four", "three").lines()
    assert any(line.startswith("  but among 2 comparisons one such difference may be chance (p 0.06") for line in lines)


def test_other_photos_are_refused_and_shared_ones_compared_when_asked(runs: Path) -> None:
    two = runs / "2026-11-22-two"
    for table in ("predictions.csv", "splits.csv"):
        change_table(two / table, lambda i, row: row | ({"part": "test", "fold": ""} if i % 2 else {}))
    change_json(two / "report.json", lambda report: report["evaluations"][0].update(what="test"))
    with pytest.raises(DataError) as refused:
        compare(runs, "첫 번째", "two", "three")
    message = str(refused.value)
    assert (
        "The scores of two and 첫 번째 are not on the same photos: two 30 (test), 첫 번째 60 (out-of-fold), of which "
    )
    assert "30 are the same photos" in message
    assert "'split.file=" in message
    assert "give --shared to compare on the 60 photos alone that both judged" in message
    done = compare(runs, "첫 번째", "two", shared=True)
    (pair,) = done.document["comparisons"]
    assert (pair["partly"], pair["n"], pair["overlap"]["shared"]) == (True, N, 30)
    assert any("on shared photos alone" in line for line in done.lines())
    assert "not all of them are the same" in Page(render_compare(done.document)).text


def test_runs_of_other_photos_get_no_advice_that_cannot_help(runs: Path) -> None:
    two = runs / "2026-11-22-two"
    change_table(two / "manifest.csv", lambda i, row: row | {"sha256": f"{i:064x}"})
    for shared in (False, True):
        with pytest.raises(DataError, match=r"judged no photo in common: compare runs of the same photos\.$"):
            compare(runs, "첫 번째", "two", shared=shared)


def test_other_labels_are_refused_and_left_out_when_asked(runs: Path) -> None:
    def relabel(i: int, row: dict[str, str]) -> dict[str, str]:
        return row | ({"label": "daisy"} if row["label"] == "노란 튤립" and i % 2 else {})

    for table in ("predictions.csv", "manifest.csv"):
        change_table(runs / "2026-11-22-two" / table, relabel)
    with pytest.raises(DataError, match="10 of the 60 photos have other labels in one than in the other"):
        compare(runs, "two", "첫 번째")
    done = compare(runs, "two", "첫 번째", shared=True)
    assert done.document["comparisons"][0]["n"] == 50
    assert "10 photos have other labels" in Page(render_compare(done.document)).text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_is_whole_and_shows_what_differs(runs: Path, tmp_path: Path, language: str) -> None:
    done = compare(runs, "첫 번째", "two", "three", language=language)
    file = done.write_html(tmp_path / "새 폴더" / "page.html")
    html = file.read_text("utf-8")
    check_self_contained(html)
    page = Page(html)
    page.check_harmless()
    assert len(html) < 5_000_000
    assert sum(tag == "img" for tag, _ in page.elements) == 14
    assert {"runs", "pairs", "classes", "photos", "settings", "where"} <= set(page.ids)
    assert "two" in page.text and "첫 번째" in page.text and "input.px" in page.text
    expected = "Against 첫 번째: 1 better, 0 worse" if language == "en" else "나음 1, 못함 0"
    assert expected in page.text


def test_photos_that_are_gone_have_no_picture(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in runs.iterdir():
        change_json(run / "run.json", lambda record: record.update(photos=str(tmp_path / "gone")))
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "empty cache"))
    html = compare(runs, "첫 번째", "two").write_html(tmp_path / "page.html").read_text("utf-8")
    assert "<img" not in html
    assert "The other said" in html


def test_pictures_stay_away_where_a_run_shows_none(runs: Path, tmp_path: Path) -> None:
    settings = runs / "2026-11-22-two" / "config.resolved.yaml"
    settings.write_text(settings.read_text("utf-8").replace("thumbnails: true", "thumbnails: false"), encoding="utf-8")
    html = compare(runs, "첫 번째", "two").write_html(tmp_path / "page.html").read_text("utf-8")
    assert "<img" not in html


def test_what_cannot_be_compared_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give two or more runs"):
        compare(runs, "two")
    with pytest.raises(ConfigError, match="is given twice"):
        compare(runs, "two", "three", str(runs / "2026-11-22-two"))
    with pytest.raises(ConfigError, match="13 runs are too many to compare at once"):
        compare(runs, *["two"] * 13)
    with pytest.raises(ConfigError, match="There is no run nowhere"):
        compare(runs, "two", "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--html: .* cannot be written"):
        compare(runs, "two", "three").write_html(tmp_path / "file" / "page.html")


def test_runs_that_hold_no_such_model_are_refused(runs: Path) -> None:
    two = runs / "2026-11-22-two"
    change_table(two / "predictions.csv", lambda i, row: {"labels" if k == "label" else k: v for k, v in row.items()})
    rows = (two / "predictions.csv").read_text("utf-8")
    (two / "predictions.csv").write_text(rows.replace(",label,", ",labels,", 1), encoding="utf-8")
    with pytest.raises(ModelError, match="photos have several labels"):
        compare(runs, "첫 번째", "two")
    (two / "report.json").unlink()
    (two / "started.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"is not finished: go on with it by `photograft train --resume"):
        compare(runs, "첫 번째", "two")
    (two / "decoder.safetensors").write_bytes(b"")
    (two / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="was pretrained without labels and knows no classes"):
        compare(runs, "첫 번째", "two")
    (two / "decoder.safetensors").unlink()
    with pytest.raises(ModelError, match=r"report\.json or run\.json is damaged"):
        compare(runs, "첫 번째", "two")


def test_a_sealed_run_is_checked(runs: Path, tiny_run: TrainedRun) -> None:
    sealed = Path(shutil.copytree(tiny_run.run, runs / "2026-11-22-sealed"))
    assert photograft.compare_runs(sealed, runs / "2026-11-22-two").document["reference"] == "sealed"
    (sealed / "report.json").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"report\.json was changed"):
        compare(runs, "sealed", "two")
