"""`photograft search` as a user meets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.test_verbs import Capture, run_json, run_text
from tests.conftest import CLASSES
from tests.reporting.pages import Page, check_self_contained

from photograft.workflow.train import TrainedRun


def test_build_query_update_and_remove(
    capsys: Capture, tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photo_folder, "가게 사진")
    built = run_json(capsys, "search_build", "search", "build", tiny_run.run, "가게 사진", "--index", "색인 1")
    assert (built["photos"], built["added"], built["classes"]) == (60, 60, sorted(CLASSES))
    assert built["same"]["prior"] == 0.5 and built["same"]["precision_at_1"] > 0.5

    photo = f"가게 사진/{CLASSES[0]}/{CLASSES[0]} 00.jpg"
    found = run_json(capsys, "search", "search", "query", "색인 1", photo, "--top", "3")
    (asked,) = found["photos"]
    assert len(asked["matches"]) == 3 and asked["matches"][0]["kind"] == "the same file"
    out, _ = run_text(capsys, "search", "query", "색인 1", photo, "--top", "2", "--label", CLASSES[1])
    assert out.startswith(f"{photo}\n") and out.count(CLASSES[1]) >= 2 and "same class" in out

    Path("bad.jpg").write_bytes(b"bad")
    out, err = run_text(
        capsys, "search", "query", "색인 1", photo, "bad.jpg", "--near-duplicates", "--html", "쪽.html", "--language",
        "ko", code=6,
    )  # fmt: skip
    assert "rejected: not_an_image" in out and "1 of 2 photos could not be used" in err and "Page: 쪽.html" in err
    page = Path("쪽.html").read_text("utf-8")
    check_self_contained(page)
    assert '<html lang="ko">' in page and "같은 파일" in Page(page).text and page.count("data:image/jpeg") == 2

    _, err = run_text(capsys, "search", "query", "색인 1", photo, "--html", "nodir/x.html", code=2)
    assert "--html: there is no folder nodir; make it" in err and "Errno" not in err

    Path(photo).unlink()
    out, _ = run_text(capsys, "search", "update", "색인 1")
    assert "59 photos in 59 files" in out and "1 removed, 59 unchanged" in out
    out, _ = run_text(capsys, "search", "remove", "색인 1", CLASSES[2])
    assert "39 photos" in out
    added = run_json(capsys, "search_build", "search", "add", "색인 1", f"가게 사진/{CLASSES[2]}")
    assert (added["added"], added["photos"]) == (20, 59)


def test_mistakes_are_one_line_with_their_exit_code(capsys: Capture, tiny_run: TrainedRun, tmp_path: Path) -> None:
    for arguments, code, words in (
        (("query", tmp_path / "nothing", "a.jpg"), 4, "is no index"),
        (("update", tmp_path), 4, "is no index"),
        (("build", "nothing", tmp_path, "--index", tmp_path / "i"), 2, "lies inside"),
        (("build", tiny_run.run, tmp_path / "none", "--index", tmp_path / "i"), 3, "does not exist"),
        (("build", tiny_run.run, tmp_path), 2, "--index"),
    ):
        _, err = run_text(capsys, "search", *arguments, code=code)
        assert err.count("\n") == 1 and words in err
