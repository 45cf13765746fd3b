"""Where a job keeps its files: a folder on a disk that all machines see, or a URL of an object store."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from photograft.data.url_files import open_url
from photograft.data.urls import is_url, local_path
from photograft.errors import IntegrityError
from photograft.tracking.atomic import write_atomically


@dataclass(frozen=True)
class Place:
    """A folder, as an absolute path or as a URL that fsspec opens. Names in it have forward slashes.

    Files are written whole or not at all: on a disk by replacing, in an object store because it knows nothing else.
    """

    url: str

    @staticmethod
    def of(text: str) -> Place:
        """The place that a user names; a path becomes absolute, since other processes have other working folders.

        Raises:
            ConfigError: The client of the object store is not installed, or knows no such kind of URL.
        """
        path = local_path(text) if is_url(text) else text
        if path is not None:
            return Place(str(Path(path).expanduser().absolute()))
        place = Place(text.rstrip("/"))
        open_url(place.url)
        return place

    @property
    def folder(self) -> Path | None:
        """The folder on a disk; None at a URL."""
        return None if "://" in self.url else Path(self.url)

    def __truediv__(self, name: str) -> Place:
        """A folder in this one."""
        return Place(f"{self.url}/{name}")

    def exists(self, name: str) -> bool:
        """Whether a file of this name is there. Raises OSError where a store does not say."""
        if self.folder is not None:
            return (self.folder / name).is_file()
        store, root = open_url(self.url)
        try:
            with _told(self.url):
                return bool(store.info(f"{root}/{name}")["type"] == "file")  # `isfile` says no where a store fails
        except FileNotFoundError:
            return False

    def names(self, folder: str = "") -> list[str]:
        """Names of the files directly in a folder, sorted; none where the folder is not there."""
        if self.folder is not None:
            inside = self.folder / folder
            return sorted(file.name for file in inside.iterdir() if file.is_file()) if inside.is_dir() else []
        store, root = open_url(self.url)
        try:
            with _told(self.url):
                found = store.ls(f"{root}/{folder}".rstrip("/"), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(each["name"].rpartition("/")[2] for each in found if each["type"] == "file")

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        with self.open(name) as file:
            return file.read()

    def open(self, name: str) -> IO[bytes]:
        """A file for reading, also in parts. Raises FileNotFoundError."""
        if self.folder is not None:
            return (self.folder / name).open("rb")
        store, root = open_url(self.url)
        with _told(self.url):
            opened: IO[bytes] = store.open(f"{root}/{name}", "rb")
        return opened

    def write(self, name: str, content: bytes) -> None:
        """Write a file; what has its name is replaced."""
        if self.folder is not None:
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
            return
        store, root = open_url(self.url)
        with _told(self.url):
            store.pipe_file(f"{root}/{name}", content)

    def write_table(self, name: str, table: Any) -> None:
        """Write a table of Arrow as Parquet."""
        import pyarrow.parquet as parquet

        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression="zstd")
        self.write(name, buffer.getvalue())

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> Any:
        """A table of Arrow from a Parquet file, or what it has of some columns.

        Raises:
            FileNotFoundError: It is not there.
            IntegrityError: It is damaged.
        """
        import pyarrow.parquet as parquet

        with self.open(name) as file, undamaged(f"{self.url}/{name}", "delete it, and the same command makes it again"):
            opened = parquet.ParquetFile(file)
            there = opened.schema_arrow.names
            return opened.read(columns=None if columns is None else [each for each in columns if each in there])

    def delete(self, name: str) -> None:
        """Delete a file, where it is there."""
        with suppress(FileNotFoundError):
            if self.folder is not None:
                (self.folder / name).unlink()
            else:
                store, root = open_url(self.url)
                with _told(self.url):
                    store.rm_file(f"{root}/{name}")

    def remove(self) -> None:
        """Remove the folder with all in it, where it is there."""
        if self.folder is not None:
            import shutil

            with suppress(FileNotFoundError):
                shutil.rmtree(self.folder)
            return
        store, root = open_url(self.url)
        with suppress(FileNotFoundError), _told(self.url):
            store.rm(root, recursive=True)


@contextmanager
def undamaged(name: str, remedy: str) -> Iterator[None]:
    """What Arrow raises on a file that is damaged, as an IntegrityError that names it and says what to do."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, ValueError, OSError) as error:  # the second of names that are not UTF-8
        if isinstance(error, FileNotFoundError | MemoryError) or getattr(error, "errno", None) is not None:
            raise  # the system's: those of Arrow have no number
        raise IntegrityError(f"{name} is damaged ({str(error).partition(chr(10))[0]}): {remedy}.") from error


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What a store's client raises, which may be of any kind, as an OSError that names the place."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error
