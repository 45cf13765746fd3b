from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from photograft.errors import ConfigError, ModelError
from photograft.workflow.runs import find_run


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A runs folder with two runs and a study of two, found by the files in them."""
    runs = tmp_path / "나의 runs"
    for name in ("2026-11-22-꽃", "2026-11-22-꽃-2", "2026-11-20-study/2026-11-20-a", "2026-11-20-study/2026-11-20-ab"):
        (runs / name).mkdir(parents=True)
        (runs / name / "config.resolved.yaml").touch()
    (runs / "2026-11-20-study" / "study.json").touch()
    (runs / "no run").mkdir()
    return runs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-22-꽃", "2026-11-22-꽃"),
        ("꽃", "2026-11-22-꽃"),
        (unicodedata.normalize("NFD", "꽃-2"), "2026-11-22-꽃-2"),
        ("study/a", "2026-11-20-study/2026-11-20-a"),
        ("a", "2026-11-20-study/2026-11-20-a"),
        ("ab", "2026-11-20-study/2026-11-20-ab"),
        ("2026-11-20-study/2026-11-20-ab", "2026-11-20-study/2026-11-20-ab"),
        ("2026-11-20-ab", "2026-11-20-study/2026-11-20-ab"),
        ("꽃-", "2026-11-22-꽃-2"),
    ],
)
def test_run_is_found_by_name_or_beginning(places: Path, text: str, found: str) -> None:
    assert find_run(text, places) == places / found


def test_run_is_found_by_path(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places)
    assert find_run("2026-11-20-study/2026-11-20-a", "elsewhere") == Path("2026-11-20-study/2026-11-20-a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026", "may be each of 2026-11-20-study/2026-11-20-a, "),
        ("study", "is a study: give one of its runs, such as 2026-11-20-study/2026-11-20-a"),
        ("꽃꽃", "There is no run 꽃꽃 in"),
        ("study-a", "did you mean|photograft runs list"),
        ("2026-11-23-꽃", "did you mean 2026-11-22-꽃"),
        ("elsewhere/a", "There is no run"),
        ("", "not a photograft run"),
    ],
)
def test_other_texts_are_refused_in_words(places: Path, text: str, words: str) -> None:
    with pytest.raises((ConfigError, ModelError), match=words):
        find_run(text, places)


def test_folder_that_is_no_run_is_refused(places: Path) -> None:
    with pytest.raises(ModelError, match="not a photograft run"):
        find_run(places / "no run", places)


def test_runs_folder_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no runs; --runs-dir"):
        find_run("꽃", tmp_path / "nowhere")
