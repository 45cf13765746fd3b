from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tests.tracking.run_examples import make_run

from photograft.errors import ConfigError, ModelError
from photograft.tracking.run_folder import RunFolder
from photograft.tracking.run_notes import RunNotes, change_tags, read_notes, set_note


def test_tags_and_note_come_and_go_without_touching_what_is_sealed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert read_notes(run) == RunNotes()
    change_tags(run, add=["keep", unicodedata.normalize("NFD", "발표용"), "keep"])
    assert set_note(run, " 5월부터\n가게에서 씀 ") == RunNotes(("keep", "발표용"), "5월부터\n가게에서 씀")
    assert change_tags(run, remove=["keep", "other"]).tags == ("발표용",)
    assert set_note(run, "").note == ""
    assert json.loads((run / "notes.json").read_text("utf-8")) == {"format": 1, "tags": ["발표용"], "note": ""}
    RunFolder(run).check()
    RunFolder(run).seal()
    assert "notes.json" not in json.loads((run / "checksums.json").read_bytes())


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "a\nb", "x" * 101])
def test_texts_that_are_no_tags_are_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(ConfigError, match="is no tag"):
        change_tags(tmp_path, add=[tag])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "is damaged"),
        ('{"format": 2}', "has format 2, this release reads 1"),
        ('{"format": 1, "tags": "keep"}', "tags must be a list"),
    ],
)
def test_damaged_notes_are_never_overwritten(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "notes.json").write_text(content, "utf-8")
    for change in (lambda: change_tags(tmp_path, add=["keep"]), lambda: set_note(tmp_path, "x")):
        with pytest.raises(ModelError, match=words):
            change()
    assert (tmp_path / "notes.json").read_text("utf-8") == content
