"""The queue of a review, and what decisions come to in the journal."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflow.finished import change_json

from photograft.config import load_config
from photograft.data.edits import append_edit, read_edits, undo_edit
from photograft.errors import ConfigError, DataError, ModelError
from photograft.reporting.doubts import DOUBTS, Doubt, doubts_csv, read_doubts
from photograft.reporting.records import issues_csv
from photograft.values import Issue
from photograft.workflow.review import Review, open_review
from photograft.workflow.train import TrainedRun, train


@pytest.fixture
def run(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """A copy of the tables of a real run, with one conflict more."""
    folder = tmp_path / "runs" / tiny_run.run.name
    shutil.copytree(tiny_run.run, folder, ignore=shutil.ignore_patterns("model", "checksums.json"))
    same = ("daisy/daisy 01.jpg", "sun flower/sun flower 02.jpg")
    issue = Issue("label_conflict", same, "a, b: nearly the same picture under different labels (a, b)", "Decide.")
    (folder / "issues.csv").write_text(issues_csv([issue]), "utf-8")
    return folder


def rows(review: Review) -> list[tuple[str, str, bool]]:
    return [(row.action, row.value, row.in_force) for row in read_edits(review.journal).rows]


def test_conflicts_come_first_then_the_worst(run: Path) -> None:
    doubts = read_doubts(run)
    assert len(doubts) == 60
    review = open_review(run, limit=6)
    first, second, *others = review.queue.items
    assert {first.photo.name, second.photo.name} == {"daisy/daisy 01.jpg", "sun flower/sun flower 02.jpg"}
    assert first.conflict and [copy.name for copy in first.copies] == [second.photo.name]
    ranked = [doubt.path for doubt in doubts if doubt.path not in (first.photo.name, second.photo.name)]
    assert [item.photo.name for item in others] == ranked[:4]
    item = others[0]
    assert item.likely[0][0] == doubts[[d.path for d in doubts].index(item.photo.name)].suggested
    assert item.own is not None and item.own + sum(share or 0 for _, share in item.likely) == pytest.approx(1)
    doubted = [doubt.path for doubt in doubts if doubt.doubted]
    assert {i.photo.name for i in open_review(run).queue.items} == {*doubted, first.photo.name, second.photo.name}


def test_a_run_of_a_table_is_trained_again_on_the_table(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "나의 표.csv"
    table.write_text("path,label\n", "utf-8")
    for given in (str(table), shlex.quote(str(table))):  # older runs have their commands without quotes
        change_json(
            run / "run.json", lambda origin, given=given: origin.update(command=f"photograft train {given} --x")
        )
        assert open_review(run).commands()[0].startswith(f"photograft train '{table}' --config ")


def test_a_later_decision_wins_and_undo_brings_the_earlier_one_back(run: Path) -> None:
    review = open_review(run, limit=4)
    name = "daisy/daisy 01.jpg"
    kept = review.decide(name, "keep")
    assert kept is not None and kept.action == "keep" and review.decide(name, "keep") == kept
    review.decide(name, "relabel", ["sun flower"])
    changed = review.undo(name)
    assert changed == kept
    review.decide(name, "exclude")
    now = review.decide(name, "relabel", ["노란 튤립"])
    assert now is not None and now.labels == ("노란 튤립",)
    assert review.counts() == {"kept": 0, "relabelled": 1, "excluded": 0, "open": 3}
    review.decide(name, "relabel", ["daisy"])  # its own label: that is to keep it
    assert rows(review) == [
        ("keep", "daisy", True), ("relabel", "sun flower", False), ("undo", "3", True), ("exclude", "", False),
        ("undo", "5", True), ("relabel", "노란 튤립", False), ("undo", "7", True),
    ]  # fmt: skip
    assert review.undo(name) is None and review.undo(name) is None
    assert len(rows(review)) == 8


def test_what_was_decided_before_the_run_is_not_asked_nor_undone(run: Path) -> None:
    review = open_review(run, limit=4)
    photo = review.queue.items[0].photo
    append_edit(review.journal, "relabel", photo.sha256, value=str(photo.label))
    decision = review.decisions()[photo.name]
    assert decision.action == "keep" and decision.line == 0
    assert review.undo(photo.name) == decision and len(rows(review)) == 1
    review.decide(photo.name, "exclude")
    review.undo(photo.name)
    assert review.decisions()[photo.name] == decision
    append_edit(review.journal, "keep", review.queue.items[1].photo.sha256, value="another label than it has")
    assert review.queue.items[1].photo.name not in review.decisions()
    undo_edit(review.journal, 2)
    assert review.decisions() == {}


def test_training_again_applies_what_was_decided(run: Path, photo_folder: Path, tmp_path: Path) -> None:
    review = open_review(run, limit=4)
    one, other = (item.photo.name for item in review.queue.items[:2])
    review.decide(one, "relabel", ["노란 튤립"])
    review.decide(other, "exclude")
    review.decide(review.queue.items[2].photo.name, "keep")
    command, compare = review.commands()
    assert command.startswith(f"photograft train '{photo_folder}' --config '{run / 'config.yaml'}' --edits ")
    assert compare == f"photograft runs compare '{run}' NEW_RUN --shared"
    settings = load_config(
        run / "config.yaml", [f"split.file={run / 'splits.csv'}"], **{"data.edits": str(review.journal)}
    )
    again = train(photo_folder, config=settings, runs_dir=tmp_path / "runs", name="again")
    text = (again.run / "manifest.csv").read_text("utf-8")
    assert text.count("edits.csv:2: relabel") == 1 and text.count("edits.csv:3: review") == 1
    reviewed = open_review(again.run, limit=60)
    assert reviewed.journal == review.journal and other not in reviewed.queue.by_name
    assert reviewed.decisions()[one].line == 0


def test_the_journal_is_never_among_the_photos(run: Path, photo_folder: Path, tmp_path: Path) -> None:
    assert open_review(run).journal == tmp_path / "edits.csv"
    for place in (photo_folder / "edits.csv", photo_folder / "daisy" / "edits.csv"):
        with pytest.raises(ConfigError, match="lies inside the folder of photos"):
            open_review(run, edits=place)
    with pytest.raises(ConfigError, match="does not exist"):
        open_review(run, edits=tmp_path / "no" / "edits.csv")
    (tmp_path / "table.csv").write_text("path,label\n", "utf-8")
    with pytest.raises(DataError, match="no column action"):
        open_review(run, edits=tmp_path / "table.csv")
    with pytest.raises(ConfigError, match="is no file"):
        open_review(run, edits=tmp_path)
    assert list(photo_folder.glob("*.csv")) == []


def test_the_journal_of_the_run_is_gone_on_with(run: Path, tmp_path: Path) -> None:
    settings = run / "config.resolved.yaml"
    settings.write_text(settings.read_text("utf-8").replace("edits: null", "edits: my edits.csv"), "utf-8")
    with pytest.raises(DataError, match=r"my edits\.csv, which is not there"):
        open_review(run)
    append_edit(tmp_path / "my edits.csv", "exclude", "a" * 64)
    assert open_review(run).journal == tmp_path / "my edits.csv"


def test_what_cannot_be_decided_is_refused(run: Path) -> None:
    review = open_review(run, limit=2)
    name = review.queue.items[0].photo.name
    for action, labels in (("box", ()), ("relabel", ()), ("relabel", ("a", "b")), ("relabel", ("a\tb",))):
        with pytest.raises(ConfigError):
            review.decide(name, action, labels)
    with pytest.raises(ConfigError, match="not among the photos"):
        review.decide("other.jpg", "keep")
    assert not review.journal.exists()


def test_a_damaged_run_is_told(run: Path, tmp_path: Path) -> None:
    doubts = read_doubts(run)
    (run / DOUBTS).write_text(doubts_csv([replace(doubts[0], path="gone.jpg"), *doubts[1:3]]), "utf-8")
    assert "gone.jpg" not in open_review(run, limit=9).queue.by_name
    (run / DOUBTS).write_text(doubts_csv([Doubt("a", "b", "c", 0.5, "train", True)]).replace("0.5", "x"), "utf-8")
    with pytest.raises(ModelError):
        open_review(run)
    with pytest.raises(ModelError, match="not a photograft run"):
        open_review(tmp_path)
