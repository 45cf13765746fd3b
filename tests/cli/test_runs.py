"""`photograft runs` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.tracking.run_examples import make_run, make_stopped

from photograft.cli.main import main
from photograft.schemas import load_schema
from photograft.tracking.run_folder import RunFolder

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs folder of the current folder: two finished runs, a stopped and a damaged one."""
    place = tmp_path / "runs"
    make_run(place / "2026-11-20-장미", "train.lr=0.01", accuracy=0.7, created="2026-11-20T10:00:00+00:00")
    make_run(place / "2026-11-21-s" / "2026-11-21-튤립", "train.lr=0.02", created="2026-11-21T10:00:00+00:00")
    make_stopped(place / "2026-11-22-stopped")
    (make_run(place / "2026-11-23-broken") / "report.json").write_text("{", "utf-8")
    monkeypatch.chdir(tmp_path)
    return place


def told(capsys: Capture, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["runs", *map(str, arguments)]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.out, shown.err


def read_json(capsys: Capture, schema: str, *arguments: object) -> Any:
    value = json.loads(told(capsys, *arguments, "--json")[0])
    Draft202012Validator(load_schema(schema)).validate(value)
    return value


def test_list_shows_every_run_whatever_its_state(runs: Path, capsys: Capture) -> None:
    head, *lines = told(capsys, "list")[0].splitlines()
    assert head.split("  ")[0] == "run"
    assert len(lines) == 4
    text = "\n".join(lines)
    assert "2026-11-21-s/2026-11-21-튤립" in text
    assert "80.0 % (70.0 to 90.0)" in text
    assert all(state in text for state in ("unfinished", "damaged"))
    with RunFolder(runs / "2026-11-22-stopped").locked():
        assert "running" in told(capsys, "list")[0]


def test_list_filters_sorts_and_writes_a_table(runs: Path, capsys: Capture, tmp_path: Path) -> None:
    rows = read_json(capsys, "runs", "list", "--filter", "status=finished", "--sort", "train.lr", "--limit", "1")
    assert [(row["run"], row["settings"]) for row in rows] == [("2026-11-21-s/2026-11-21-튤립", {"train.lr": 0.02})]
    told(capsys, "list", "--filter", "accuracy<=0.8", "--reverse", "--csv", tmp_path / "표.csv")
    with (tmp_path / "표.csv").open(encoding="utf-8", newline="") as file:
        names, *_ = csv.reader(file)
        file.seek(0)
        table = list(csv.DictReader(file))
    assert len(set(names)) == len(names)
    assert [(row["run"], row["accuracy"], row["train.lr"]) for row in table] == [
        ("2026-11-20-장미", "0.7", "0.01"),
        ("2026-11-21-s/2026-11-21-튤립", "0.8", "0.02"),
    ]
    assert "train.lr" in told(capsys, "list", "--sort", "train.lr")[0].splitlines()[0]
    assert main(["runs", "list", "--runs-dir", str(runs), "--csv", str(tmp_path / "nowhere" / "표.csv")]) == 2
    assert "표.csv cannot be written (No such file or directory); give another file" in capsys.readouterr().err
    out, err = told(capsys, "list", "--filter", "accuracy>0.99")
    assert (out, "There are no such runs in runs" in err) == ("", True)


def test_show_says_what_is_known(runs: Path, capsys: Capture) -> None:
    text = told(capsys, "show", "튤립")[0]
    assert all(words in text for words in ("accuracy 80.0 % (70.0 to 90.0)", "It is right.", "train.lr: 0.02", "300"))
    document = read_json(capsys, "run", "show", "튤립")
    assert (document["given"], document["settings"]["train.lr"]) == ({"train.lr": 0.02}, 0.02)
    for name, status in (("stopped", "unfinished"), ("broken", "damaged")):
        document = read_json(capsys, "run", "show", name)
        assert (document["status"], document["accuracy"], bool(document["problem"])) == (status, None, True)
        assert status in told(capsys, "show", name)[0]


def test_tags_and_notes(runs: Path, capsys: Capture) -> None:
    assert "keep, 발표용" in told(capsys, "tag", "장미", "keep", "발표용")[0]
    told(capsys, "note", "장미", "가게에서 씀")
    assert [row["note"] for row in read_json(capsys, "runs", "list", "--tag", "발표용")] == ["가게에서 씀"]
    assert "keep" in told(capsys, "list")[0]
    assert "no tags" in told(capsys, "tag", "장미", "keep", "발표용", "--remove")[0]
    assert "no note" in told(capsys, "note", "장미", "")[0]


def test_prune_states_first_and_removes_on_yes(runs: Path, capsys: Capture) -> None:
    out, err = told(capsys, "prune", "--filter", "status!=finished")
    assert "would remove 2 runs" in out
    assert "Nothing was removed. Add --yes" in err
    assert (runs / "2026-11-22-stopped").is_dir()
    document = read_json(capsys, "prune", "prune", "--filter", "status!=finished", "--yes")
    assert {each["run"] for each in document["going"]} == {"2026-11-22-stopped", "2026-11-23-broken"}
    assert document["freed_bytes"] > 5000
    assert sorted(path.name for path in runs.iterdir() if path.is_dir()) == ["2026-11-20-장미", "2026-11-21-s"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("list", "--runs-dir", "nowhere"), 2, "there is no folder nowhere"),
        (("list", "--filter", "acuracy>1"), 2, "did you mean `accuracy`"),
        (("show", "국화"), 2, "There is no run 국화 in runs"),
        (("show", "2026-11-2"), 2, "may be each of"),
        (("prune",), 2, "say what may go"),
        (("tag", "장미", "a,b"), 2, "is no tag"),
    ],
)
def test_mistakes_are_told_in_words(
    runs: Path, capsys: Capture, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert words in told(capsys, *arguments, code=code)[1]
