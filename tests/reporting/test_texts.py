"""The texts of every page: the same in both languages, found by reading the package."""

from __future__ import annotations

import pkgutil
import re
import string
from collections.abc import Iterator
from importlib import import_module

import pytest

import photograft.reporting
from photograft.reporting.josa import PARTICLES
from photograft.reporting.texts import REPORT_WORDS, Entry, Words, fill_in, texts_in

HANGUL = re.compile("[가-힣]")


def find_words() -> Iterator[tuple[str, Words]]:
    """Every table of texts, by its name."""
    for module in pkgutil.iter_modules(photograft.reporting.__path__):
        if module.name == "texts" or module.name.endswith("_texts"):
            values = vars(import_module(f"photograft.reporting.{module.name}"))
            yield from ((name, value) for name, value in values.items() if isinstance(value, Words))


WORDS = dict(find_words())


def fields(entry: Entry) -> set[str]:
    parts = (entry,) if isinstance(entry, str) else entry
    return {field for part in parts for _, field, _, _ in string.Formatter().parse(part) if field}


def formats(entry: Entry) -> set[str]:
    parts = (entry,) if isinstance(entry, str) else entry
    return {spec or "" for part in parts for _, field, spec, _ in string.Formatter().parse(part) if field}


@pytest.mark.parametrize("name", WORDS)
def test_both_languages_have_the_same_texts_with_the_same_values(name: str) -> None:
    words = WORDS[name]
    assert set(words.english) == set(words.korean)
    different = [key for key, entry in words.english.items() if fields(entry) != fields(words.korean[key])]
    assert different == []


@pytest.mark.parametrize("name", WORDS)
def test_korean_is_korean(name: str) -> None:
    words = WORDS[name]
    assert not [key for key, entry in words.english.items() if HANGUL.search(str(entry))]
    assert not [key for key, entry in words.english.items() if formats(entry) & PARTICLES]
    # What has no Hangul is a name, a sign or a unit, and the same in both languages or nearly.
    for key, entry in words.korean.items():
        if not HANGUL.search(str(entry)):
            letters = re.findall("[A-Za-z]{2,}", re.sub(r"{[^}]*}", "", str(entry)))
            assert set(letters) <= set(re.findall("[A-Za-z]{2,}", str(words.english[key]))), key
        # A guess at a particle, such as 은(는), is for words that nobody can read alone: `josa` knows which.
        assert not re.search(r"[은는이가을를과와]\([은는이가을를과와]\)|\((?:으|이)\)(?:로|라)", str(entry)), key


def test_every_module_of_texts_is_looked_at() -> None:
    modules = [m.name for m in pkgutil.iter_modules(photograft.reporting.__path__) if m.name.endswith("_texts")]
    assert len(WORDS) >= len(modules) - 1  # advise_texts is for the terminal
    assert WORDS["REPORT_WORDS"] is REPORT_WORDS


def test_texts_of_a_section_come_before_those_of_the_report() -> None:
    own = Words({"title": "own"}, {"title": "자기"})
    assert texts_in("ko", own).say("title") == "자기"
    assert texts_in("en", own).say("title") == "own"
    assert texts_in("ko").say("classes") == "클래스별 성적"
    assert texts_in("xx", own).language == "en"


def test_particles_are_filled_in() -> None:
    assert fill_in("{a:이} {b:으로} {n:,}", {"a": "장미", "b": "튤립", "n": 1234}) == "장미가 튤립으로 1,234"
