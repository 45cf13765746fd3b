from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.tracking.run_examples import make_run, make_stopped

from photograft.errors import ConfigError
from photograft.models.catalogue import find_run_backbone
from photograft.tracking.run_folder import RunFolder
from photograft.tracking.run_notes import change_tags
from photograft.workflow.prune import PruneRule, prune_runs
from photograft.workflow.runs import list_runs


def make_runs(place: Path) -> Path:
    """Four runs from old to new, the second of which the fourth begins with, and one in a study."""
    for day, accuracy in ((1, 0.7), (2, 0.9), (3, 0.8)):
        make_run(place / f"run-{day}", created=f"2026-11-0{day}T10:00:00+00:00", accuracy=accuracy, network=1000)
    begun = f"model.backbone=run:{place / 'run-2'}"
    make_run(place / "run-4", begun, created="2026-11-04T10:00:00+00:00", accuracy=0.6, network=1000)
    make_run(place / "study" / "run-5", created="2026-11-05T10:00:00+00:00", photos="/photos/개")
    (place / "study" / "splits.csv").touch()
    return place


def gone(place: Path, rule: PruneRule) -> set[str]:
    return {each.run for each in prune_runs(place, rule).going}


@pytest.mark.parametrize(
    ("rule", "going"),
    [
        (PruneRule(keep=2), {"run-1", "run-3"}),  # run-4 is new, and begins with run-2
        (PruneRule(keep_best=1), {"run-1", "run-3", "run-4"}),
        (PruneRule(keep=1), {"run-1", "run-2", "run-3", "run-4"}),
        (PruneRule(filters=("accuracy<0.75",)), {"run-1", "run-4"}),
        (PruneRule(filters=("accuracy<0.75",), keep_best=1), {"run-1", "run-4"}),
        (PruneRule(older_than="1h"), {"run-1", "run-2", "run-3", "run-4", "study/run-5"}),
        (PruneRule(older_than="9999w"), set()),
    ],
)
def test_rule_says_what_goes_and_nothing_is_touched(tmp_path: Path, rule: PruneRule, going: set[str]) -> None:
    place = make_runs(tmp_path / "runs")
    before = sorted(place.rglob("*"))
    done = prune_runs(place, rule)
    assert ({each.run for each in done.going}, done.done) == (going, False)
    assert going.isdisjoint(done.kept)
    assert sorted(path for path in place.rglob("*") if path.name not in (".index.sqlite",)) == before


def test_what_is_kept_whatever_the_rule_says(tmp_path: Path) -> None:
    place = make_runs(tmp_path / "runs")
    change_tags(place / "run-1", add=["keep"])
    (place / "run-3" / "notes.json").write_text("{", "utf-8")
    with RunFolder(place / "run-4").locked(), RunFolder(place / "study").locked():
        done = prune_runs(place, PruneRule(keep=0), yes=True)
    assert not done.going
    assert done.kept["run-1"] == "tagged keep"
    assert done.kept["run-2"] == "named by run-4"
    assert "cannot be read" in done.kept["run-3"]
    assert done.kept["run-4"] == "being written"
    assert done.kept["study/run-5"] == "their study is being run"


def test_runs_that_were_moved_are_still_known_by_name(tmp_path: Path) -> None:
    place = make_runs(tmp_path / "runs").rename(tmp_path / "옮긴 runs")
    assert "run-2" not in gone(place, PruneRule(keep=2))


def test_split_of_another_run_and_runs_of_runs_are_needed(tmp_path: Path) -> None:
    place = make_runs(tmp_path / "runs")
    (place / "run-1" / "splits.csv").touch()
    make_run(place / "run-6", f"split.file={place / 'run-1' / 'splits.csv'}", created="2026-11-06T10:00:00+00:00")
    make_run(place / "run-7", f"model.backbone=run:{place / 'run-4'}", created="2026-11-07T10:00:00+00:00")
    assert gone(place, PruneRule(keep=2)) == {"run-3", "study/run-5"}


def test_removed_runs_are_gone_and_the_study_stays(tmp_path: Path) -> None:
    place = make_runs(tmp_path / "runs")
    done = prune_runs(place, PruneRule(keep=0), yes=True)
    assert (len(done.going), done.done, dict(done.failed)) == (5, True, {})
    assert list_runs(place) == []
    assert sorted(path.name for path in place.rglob("*") if path.name != ".index.sqlite") == ["splits.csv", "study"]
    assert (place / "study" / "splits.csv").is_file()


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_run_that_is_a_link_stays_as_it_is(tmp_path: Path) -> None:
    run, place = make_run(tmp_path / "elsewhere" / "run"), tmp_path / "runs"
    place.mkdir()
    (place / "run").symlink_to(run)
    done = prune_runs(place, PruneRule(keep=0), yes=True)
    assert done.failed["run"].startswith("it is a link to") and done.freed_bytes == 0
    assert (place / "run").is_symlink() and (run / "report.json").is_file()


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
def test_only_bytes_without_another_name_count(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    for name in ("a", "b"):
        make_run(place / name, network=1000)
    (tmp_path / "cache.onnx").write_bytes(bytes(700_000))
    (place / "a" / "shared.onnx").write_bytes(bytes(900_000))
    os.link(place / "a" / "shared.onnx", place / "b" / "shared.onnx")
    os.link(tmp_path / "cache.onnx", place / "a" / "cache.onnx")
    both = prune_runs(place, PruneRule(keep=0))
    assert both.bytes - both.freed_bytes == 700_000
    assert 900_000 < both.freed_bytes < 1_000_000
    change_tags(place / "b", add=["keep"])
    assert prune_runs(place, PruneRule(keep=0)).freed_bytes < 100_000


def test_light_runs_keep_their_records_and_are_no_backbone(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    run = make_run(place / "run", "model.graft=all", network=1000)
    stopped = make_stopped(place / "stopped")
    assert [each.run for each in prune_runs(place, PruneRule(light=True)).going] == ["run"]
    old = 1_700_000_000
    for path in (stopped, *stopped.rglob("*")):
        os.utime(path, (old, old))
    done = prune_runs(place, PruneRule(light=True), yes=True)
    assert {each.run for each in done.going} == {"run", "stopped"}
    assert done.freed_bytes == 6000
    assert not (run / "network.safetensors").exists()
    assert not (stopped / "checkpoints").exists()
    RunFolder(run).check()
    assert json.loads((run / "light.json").read_bytes())["removed"] == ["network.safetensors"]
    assert next(row for row in list_runs(place) if row.run == "run").status == "finished"
    with pytest.raises(ConfigError, match=r"has no network\.safetensors any more: it was removed by"):
        find_run_backbone(run, cache_dir=tmp_path)
    assert not prune_runs(place, PruneRule(light=True)).going


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PruneRule(), "say what may go"),
        (PruneRule(older_than="soon"), "write it as 30d"),
        (PruneRule(filters=("accuracy",)), "write it as KEY=VALUE"),
    ],
)
def test_rules_that_say_nothing_are_refused(tmp_path: Path, rule: PruneRule, words: str) -> None:
    make_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=words):
        prune_runs(tmp_path, rule)
