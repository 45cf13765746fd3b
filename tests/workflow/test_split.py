from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import photograft
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError
from photograft.workflow.split import check_split, split


def parts_of(table: Path) -> dict[str, tuple[str, str, str]]:
    """Part and folds by row."""
    rows = read_table(table.read_bytes())
    return {row["path"]: (row["part"], row["fold"], row["fold_2"]) for row in rows}


def test_train_takes_the_table_that_split_wrote_edited_or_not(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    table, settings = tmp_path / "splits.csv", ["input.px=64", "split.test=0.2", "split.repeats=2"]
    done = split(photo_folder, table, config=photograft.load_config(None, settings))
    assert done.splits.n_folds == 5 and done.splits.repeats_RN.shape == (1, 60)
    drawn = parts_of(table)
    assert sorted(part for part, *_ in drawn.values()).count("test") == 12
    moved, (part, fold, again) = next((path, where) for path, where in drawn.items() if where[0] == "train")
    table.write_text(
        table.read_text("utf-8").replace(f"{moved},daisy,{part},{fold},{again}", f"{moved},daisy,,,"), "utf-8"
    )
    config = photograft.load_config(None, [*settings, f"split.file={table}"], quality="fast")
    run = photograft.train(photo_folder, config=config, runs_dir=tmp_path / "runs")
    assert parts_of(run.run / "splits.csv") == drawn | {moved: ("", "", "")}
    assert run.test is not None and run.test.scores["n"] == 12
    predicted = {row["path"] for row in read_table((run.run / "predictions.csv").read_bytes())}
    assert predicted == set(drawn) - {moved}


def test_the_seed_draws_and_the_same_seed_draws_the_same(photo_folder: Path, tmp_path: Path) -> None:
    tables = []
    for number, seed in enumerate((1, 1, 2)):
        config = photograft.load_config(None, ["input.px=64", "split.repeats=2", f"split.seed={seed}"])
        tables.append(split(photo_folder, tmp_path / f"{number}.csv", config=config).file.read_bytes())
    assert tables[0] == tables[1] != tables[2]


def test_a_photo_that_was_moved_or_has_a_copy_elsewhere_is_said(
    make_photo_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root, table = make_photo_folder(tmp_path / "photos"), tmp_path / "splits.csv"
    config = photograft.load_config(None, ["input.px=64", "split.test=0.2"])
    split(root, table, config=config)
    (root / "daisy/daisy 00.jpg").rename(root / "daisy/moved.jpg")
    assert "1 photo was found in splits.csv by content" in check_split(root, table, config=config).splits.statement
    daisies = [row for row in read_table(table.read_bytes()) if row["label"] == "daisy"]
    test, train = (
        next(row["path"] for row in daisies if row["part"] == part and (root / row["path"]).exists())
        for part in ("test", "train")
    )
    shutil.copyfile(root / test, root / train)
    done = check_split(root, table, config=config)
    assert [issue.kind for issue in done.issues] == ["leak"] and done.issues[0].must_fix
    assert done.to_json()["leaked"] == 2


def test_a_table_is_not_overwritten_and_needs_a_folder(photo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("kept")
    with pytest.raises(ConfigError, match="--force"):
        split(photo_folder, tmp_path / "splits.csv")
    with pytest.raises(ConfigError, match="does not exist"):
        split(photo_folder, tmp_path / "no folder" / "splits.csv")
    assert (tmp_path / "splits.csv").read_text() == "kept"
