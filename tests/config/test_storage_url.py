"""Addresses of what several machines share: which are possible, and that no password is written or shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.config.storage_url import VARIABLE, given_storage, has_password, storage_problem, without_password
from photograft.errors import ConfigError


@pytest.mark.parametrize(
    "storage",
    ["journal", "journal:/mnt/공유 1/a.log", "sqlite:///a.db", "postgresql://u@h/d", "mysql+mysqldb://u:p@h:1/d?x=1"],
)
def test_databases_and_journals_are_possible(storage: str) -> None:
    assert storage_problem(storage) == ""


@pytest.mark.parametrize(
    "storage", ["", "trials.db", "journal:", "journal://h/f", "redis://h", "postgresql:h", "sqlite://"]
)
def test_what_else_is_given_is_told_what_would_work(storage: str) -> None:
    assert "postgresql://USER@HOST/DATABASE" in storage_problem(storage)


@pytest.mark.parametrize("storage", ["postgresql://anna@db:many/tune", "postgresql://anna:ge[heim@db/tune"])
def test_an_address_that_nobody_can_read_is_refused(storage: str) -> None:
    assert "%2F" in storage_problem(storage)


@pytest.mark.parametrize(
    "storage",
    ["postgresql://u:ge@heim@h/d", "postgresql://u:s@ec:ret@h", "mysql://u:ge@he/im@h/d", "mysql://u:ge@he?im@h/d"],
)
def test_a_password_with_an_at_sign_is_refused_without_a_part_of_it(storage: str) -> None:
    assert "write @ as %40" in storage_problem(storage)
    with pytest.raises(ConfigError, match="write @ as %40") as caught:
        given_storage(None, {VARIABLE: storage})
    assert not any(part in str(caught.value) for part in ("ge@", "he", "im@", "s@", "ec", "ret"))
    assert storage_problem("sqlite:////data/u@h/a@b.db") == ""


@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("postgresql://anna:geheim%407@db.lab:5432/tune", "postgresql://anna@db.lab:5432/tune"),
        ("postgresql+psycopg://anna:@db/tune", "postgresql+psycopg://anna@db/tune"),
        ("postgresql://db/tune?user=anna&password=geheim", "postgresql://db/tune?user=anna"),
        ("mysql://db/tune?password=geheim&charset=utf8", "mysql://db/tune?charset=utf8"),
        ("mysql://db/tune?passwd=ge&password=heim", "mysql://db/tune"),
        ("postgresql://anna:ge/he?i#m@db/tune", "postgresql://anna@db/tune"),
        ("postgresql://anna:ge@heim@db/tune", "postgresql://anna@db/tune"),
    ],
)
def test_a_password_is_found_and_left_out(whole: str, shown: str) -> None:
    assert has_password(whole) and without_password(whole) == shown
    assert not has_password(shown)


def test_the_environment_counts_before_the_space_and_files_get_their_whole_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert given_storage(None, {}) is None
    assert given_storage("journal", {}) == "journal"
    assert given_storage("journal:로그/a.log", {}) == f"journal:{tmp_path / '로그' / 'a.log'}"
    assert given_storage("sqlite:///a.db?timeout=9", {}) == f"sqlite:///{(tmp_path / 'a.db').as_posix()}?timeout=9"
    assert given_storage("sqlite:////data/a.db", {}) == "sqlite:////data/a.db"
    assert given_storage("journal", {VARIABLE: " postgresql://u:p@h/d "}) == "postgresql://u:p@h/d"
    with pytest.raises(ConfigError, match=rf"{VARIABLE}: redis://u@h is not possible; use postgresql://"):
        given_storage(None, {VARIABLE: "redis://u:geheim@h"})
