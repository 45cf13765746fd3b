"""Where several machines keep the trials of a search: a database or a journal, and what must not be written of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from photograft.errors import ConfigError

VARIABLE = "PHOTOGRAFT_TUNE_STORAGE"
"""The environment variable that counts before what a search space says: it may hold a password."""
JOURNAL = "journal"
_DATABASES = ("postgresql", "postgres", "mysql", "mariadb", "sqlite")
# SQLAlchemy reads it up to the first @, whatever is in it; what stands before a further @ may be a part of it too.
_PASSWORD = re.compile(r"^([^:/?#]+://[^:/]*):[^@]*@(?:.*@)?")
_IN_QUERY = re.compile(r"(?<=[?&])[a-z_]*passw(?:or)?d=[^&]*&?", re.IGNORECASE)


def storage_problem(storage: str) -> str:
    """What is wrong with the name of a storage; empty where nothing is."""
    kind, _, rest = storage.partition(":")
    if storage == JOURNAL or (kind == JOURNAL and rest and not rest.startswith("//")):
        return ""
    in_memory = kind.startswith("sqlite") and rest.partition("?")[0] in {"//", "///", "///:memory:"}
    if kind.partition("+")[0] not in _DATABASES or not rest.startswith("//") or in_memory:
        return (
            "use postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE, sqlite:///FILE, journal:FILE, or "
            "`journal` for a file in the folder of the search"
        )
    if not kind.startswith("sqlite") and storage.count("@") > 1:
        # What the user takes for the password, SQLAlchemy takes for the host in part, and a driver names the host.
        return "it holds more than one @; in a password, write @ as %40"
    try:
        _ = urlsplit(storage).port
    except ValueError:
        return "its port is no number, or its password holds what must be written as %XX, such as / as %2F"
    return ""


def has_password(storage: str) -> bool:
    """Whether the address holds a password."""
    return without_password(storage) != storage


def without_password(storage: str) -> str:
    """The address as it may be written and shown."""
    shown = _PASSWORD.sub(r"\1@", storage)
    return _IN_QUERY.sub("", shown).rstrip("?&")


def given_storage(of_space: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The storage that the environment names, else the one of the search space, with the whole path of a file.

    Raises:
        ConfigError: The environment names none that is possible.
    """
    given = environment.get(VARIABLE, "").strip()
    if given and (problem := storage_problem(given)):
        raise ConfigError(f"{VARIABLE}: {without_password(given)} is not possible; {problem}.")
    storage = given or of_space
    if storage is None or storage == JOURNAL:
        return storage
    if storage.startswith(f"{JOURNAL}:"):
        return f"{JOURNAL}:{Path(storage.partition(':')[2]).expanduser().absolute()}"
    address = urlsplit(storage)
    if address.scheme.startswith("sqlite") and not address.path.startswith("//") and len(address.path) > 1:
        file = Path(address.path[1:]).absolute().as_posix()
        return f"{address.scheme}:///{file}" + (f"?{address.query}" if address.query else "")
    return storage
