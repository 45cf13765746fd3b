"""What is said of a storage that cannot be used: plainly, without a password and with what to do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tests.workflow.test_trials import a_space, begin

from photograft.tracking.run_folder import RunFolder
from photograft.workflow.trial_storage import StorageProblem, plain_errors
from photograft.workflow.trials import SharedStudy, Trials, open_trials

pytest.importorskip("optuna", reason="needs the tune extra")


def open_once(folder: Path, storage: str, *, study: str = "s", plan: str = "digest", new: bool = False) -> Trials:
    shared = SharedStudy(storage, study, plan, new)
    with open_trials(RunFolder(folder), a_space(folder), "random", shared=shared) as trials:
        if new:
            begin(trials)
        return trials


def test_a_driver_that_is_not_installed_is_named_with_its_command(tmp_path: Path) -> None:
    if importlib.util.find_spec("psycopg") is None:
        with pytest.raises(StorageProblem, match=r"postgresql://anna@h/d needs .*pip install 'psycopg\[binary\]'"):
            open_once(tmp_path, "postgresql://anna:geheim@h/d", new=True)
    if importlib.util.find_spec("pymysql") is None:
        with pytest.raises(StorageProblem, match="pip install PyMySQL"):
            open_once(tmp_path, "mysql://anna@nowhere/d", new=True)


def test_a_database_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StorageProblem, match=r"sqlite:////no/such/한 곳\.db cannot be used \(unable to open database"):
        open_once(tmp_path, "sqlite:////no/such/한 곳.db", new=True)


def test_an_address_that_only_the_database_finds_wrong_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(
        StorageProblem, match="postgresql://u@h:ab/d cannot be used: its address cannot be read"
    ) as told:
        open_once(tmp_path, "postgresql://u:12/geheim@h:ab/d", new=True)
    assert "geheim" not in str(told.value) and told.value.__suppress_context__


def _ask_for_what_is_gone() -> None:
    import optuna
    import sqlalchemy

    with plain_errors("postgresql://anna:geheim@h/d"):
        try:
            with sqlalchemy.create_engine("sqlite://").connect() as connection:
                connection.exec_driver_sql("select * from gone")
        except sqlalchemy.exc.OperationalError as error:
            raise optuna.exceptions.StorageInternalError("words for programmers") from error


def test_a_database_that_goes_away_is_told_in_plain_words() -> None:
    with pytest.raises(StorageProblem, match=r"postgresql://anna@h/d cannot be used \(.*no such table") as caught:
        _ask_for_what_is_gone()
    assert "geheim" not in str(caught.value) and "programmers" not in str(caught.value)


def test_a_journal_that_is_not_there_is_not_made_by_who_joins(tmp_path: Path) -> None:
    with pytest.raises(StorageProblem, match=r"there is no journal .*trials\.journal: is its folder mounted"):
        open_once(tmp_path, "journal")
    assert not (tmp_path / "trials.journal").exists()
    with pytest.raises(StorageProblem, match="No such file or directory"):
        open_once(tmp_path, f"journal:{tmp_path / '없는' / 'a.log'}", new=True)
    damaged = tmp_path / "a.log"
    damaged.write_bytes(b'{"op_code": 0\n{}\n')
    with pytest.raises(StorageProblem, match="is damaged"):
        open_once(tmp_path, f"journal:{damaged}")


@pytest.mark.parametrize("storage", ["sqlite:///{}/a.db", "journal"])
def test_another_storage_or_another_plan_is_refused(tmp_path: Path, storage: str) -> None:
    open_once(tmp_path, storage.format(tmp_path), new=True)
    open_once(tmp_path, storage.format(tmp_path))
    with pytest.raises(StorageProblem, match="does not have the search other: it was begun in another one"):
        open_once(tmp_path, storage.format(tmp_path), study="other")
    with pytest.raises(StorageProblem, match=r"its base\.yaml, space\.yaml or splits\.csv were changed"):
        open_once(tmp_path, storage.format(tmp_path), plan="changed")
