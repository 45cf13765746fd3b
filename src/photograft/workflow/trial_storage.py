"""Where the trials of a search are kept: SQLite in its folder, or what several machines reach, with a sign of life.

Databases have Optuna's own heartbeat. A journal gets one by the same interface (`journal_heartbeat.py`).
"""

from __future__ import annotations

import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from photograft.config.storage_url import JOURNAL, VARIABLE, without_password
from photograft.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Connection

    from photograft.workflow.journal_heartbeat import BeatingJournal

    Storage = optuna.storages.RDBStorage | BeatingJournal

_DATABASE, _JOURNAL_FILE = "trials.db", "trials.journal"
WAIT_S = 120.0
"""Seconds that a process waits for the others to let go of the database."""
_CONNECT_S = 10
_BEATS = 6
"""Signs of life in the time after which a trial without one counts as broken off."""
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_PACKAGES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
    "mysqldb": "mysqlclient",
}


class StorageProblem(ConfigError):
    """The storage that several machines share cannot be used, or not any more."""


@contextmanager
def open_folder_storage(folder: Path) -> Iterator[optuna.storages.RDBStorage]:
    """The database in the folder of a search, for processes of one machine.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    require_optuna()
    import optuna

    path = folder.absolute() / _DATABASE

    def connect() -> sqlite3.Connection:  # by the path itself, which may hold what has a meaning in an address
        return sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False)

    with quiet():
        storage = optuna.storages.RDBStorage("sqlite:///trials.db", engine_kwargs={"creator": connect})
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def open_shared_storage(storage: str, folder: Path, *, grace: int, new: bool) -> Iterator[Storage]:
    """The database or journal that several machines share; only one that begins a search may make a journal.

    Raises:
        StorageProblem: It cannot be reached or used, or its driver is not installed.
        MissingExtraError: Optuna is not installed.
    """
    require_optuna()
    with plain_errors(storage):
        if storage == JOURNAL or storage.startswith(f"{JOURNAL}:"):
            yield _open_journal(storage, folder, grace=grace, new=new)
            return
        opened = _open_database(storage, grace=grace)
        try:
            yield opened
        finally:
            opened.remove_session()
            opened.engine.dispose()


@contextmanager
def plain_errors(storage: str | None) -> Iterator[None]:
    """Tell what the storage refuses in words for its user; with None, of what is in the folder, nothing is changed."""
    if storage is None:
        yield
        return
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        reason = (str(getattr(cause, "orig", None) or cause).strip().splitlines() or ["no reason given"])[0]
        raise StorageProblem(
            f"the storage {without_password(storage)} cannot be used ({reason}). Is it running, and are address, "
            f"user and password right? {VARIABLE} may hold the whole address."
        ) from None


@contextmanager
def beating(storage: Storage, trial_id: int) -> Iterator[None]:
    """Give a sign of life of the trial during the block; a storage that is away for a moment stops none."""
    import optuna

    ended = threading.Event()
    interval = storage.get_heartbeat_interval()

    def beat() -> None:
        while not ended.wait(interval):
            try:
                storage.record_heartbeat(trial_id)
            except (optuna.exceptions.UpdateFinishedTrialError, KeyError):
                return  # it was given to another machine
            except Exception:  # it may be there again at the next beat; the trial itself will tell if it is not
                continue
        if isinstance(storage, optuna.storages.RDBStorage):
            storage.remove_session()

    thread = threading.Thread(target=beat, name=f"photograft trial {trial_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_CONNECT_S)


def require_optuna() -> None:
    """Raise MissingExtraError where Optuna is not installed."""
    try:
        with quiet():
            import optuna
    except ImportError as error:
        raise MissingExtraError("photograft tune", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what Optuna warns of: parts of it that may still change, in words for programmers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open_journal(storage: str, folder: Path, *, grace: int, new: bool) -> BeatingJournal:
    with quiet():
        from photograft.workflow.journal_heartbeat import BeatingJournal

    path = folder.absolute() / _JOURNAL_FILE if storage == JOURNAL else Path(storage.partition(":")[2])
    if not new and not path.is_file():
        raise StorageProblem(
            f"there is no journal {path}: is its folder mounted on this machine? One that lies elsewhere here can be "
            f"named in {VARIABLE} as {JOURNAL}:FILE."
        )
    try:
        with quiet():  # about the lock of a short `grace`
            return BeatingJournal(path, grace=grace, interval=max(1, grace // _BEATS))
    except OSError as error:
        raise StorageProblem(f"the journal {path} cannot be used ({error.strerror or error}).") from error
    except ValueError as error:
        raise StorageProblem(f"the journal {path} is damaged ({error}): begin a new search.") from error


def _open_database(storage: str, *, grace: int) -> optuna.storages.RDBStorage:
    import optuna

    scheme, _, rest = storage.partition("://")
    url = f"{_DRIVERS.get(scheme, scheme)}://{rest}"
    driver = urlsplit(url).scheme.partition("+")[2]
    arguments: dict[str, Any] = {"connect_timeout": _CONNECT_S} if driver in {"psycopg", "psycopg2", "pymysql"} else {}
    if scheme.startswith("sqlite"):
        arguments = {"timeout": WAIT_S}
    try:
        with quiet():
            opened = optuna.storages.RDBStorage(
                url.replace("{", "{{").replace("}", "}}"),  # Optuna fills in what stands in braces
                engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
                heartbeat_interval=max(1, grace // _BEATS),
                grace_period=grace,
            )
    except ImportError as error:
        raise StorageProblem(
            f"the storage {without_password(storage)} needs a driver that is not installed: "
            f"pip install {_PACKAGES.get(driver, driver)}"
        ) from error
    except ValueError:  # whose words may hold a part of the password
        raise StorageProblem(
            f"the storage {without_password(storage)} cannot be used: its address cannot be read. In a password, "
            "@ : / ? # % are written as %40 %3A %2F %3F %23 %25."
        ) from None
    except RuntimeError as error:
        raise StorageProblem(
            f"the tables in {without_password(storage)} are of another release of Optuna ({optuna.__version__} is "
            "installed here): install the same release on every machine."
        ) from error
    if scheme.startswith("sqlite"):
        _begin_at_once(opened)
    return opened


def _begin_at_once(storage: optuna.storages.RDBStorage) -> None:
    """Let nobody write between what a transaction reads and what it writes; other databases lock the row.

    Source: SQLAlchemy, "Serializable isolation / Savepoints / Transactional DDL" in the notes on pysqlite.
    """
    from sqlalchemy import event

    storage.engine.dispose()

    def connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "connect", connected)
    event.listen(storage.engine, "begin", begun)
