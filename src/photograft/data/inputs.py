"""What `predict` is given, as a list of files: files, folders, patterns, tables and lists of paths, URLs, or stdin."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.files import FolderFiles, PhotoFiles
from photograft.data.folders import walk_files
from photograft.data.path_lists import is_list, parquet_files, read_list
from photograft.data.urls import is_url, local_path, refuse_password
from photograft.errors import DataError


def expand_inputs(inputs: Sequence[str], *, stdin: Iterable[bytes] = ()) -> Iterator[str]:
    """Yield paths and URLs in the order given, one after the other: millions need no memory.

    A folder's photos come sorted, and so do a pattern's matches; `-` stands for the lines of stdin, a Parquet table and
    `@FILE` for the paths in them. A file that does not exist is passed on: it becomes a rejected row. A folder without
    photos and a pattern that matches nothing are errors, since they are most likely typing mistakes.

    Raises:
        DataError: there is no photo, a list cannot be read, or a store does not answer.
        ConfigError: what opens a URL or a table is not installed, or a URL holds a password or token.
    """
    for path in _expand(inputs, stdin):
        refuse_password(path)  # before a result or a catalogue repeats it
        yield path


def _expand(inputs: Sequence[str], stdin: Iterable[bytes]) -> Iterator[str]:
    for each in inputs:
        given = local_path(each) or each  # so that links and pipes are treated as those of any path
        if given == "-":
            lines = (line.rstrip(b"\r\n") for line in stdin)
            yield from (os.fsdecode(line) for line in lines if line.strip())
        elif is_list(given):
            yield from read_list(given)
        elif is_url(given) and not os.path.lexists(given):
            yield from _expand_url(given)
        elif Path(given).is_dir():
            photos = _photos(FolderFiles(Path(given)), given)
            yield from (os.path.join(given, *path.split("/")) for path in photos)  # noqa: PTH118 - keeps the path as given
        elif glob.has_magic(given) and not os.path.lexists(given):
            matches = [m for m in sorted(glob.glob(given, recursive=True)) if not Path(m).is_dir()]  # noqa: PTH207 - keeps the path as given
            if not matches:
                raise DataError(f"{given}: no file matches this pattern.")
            yield from matches
        else:
            yield given


def _expand_url(url: str) -> Iterator[str]:
    from photograft.data.url_files import UrlFiles, kind_of, match_url

    kind = kind_of(url)
    if kind == "folder":
        folder = url.rstrip("/")
        yield from (f"{folder}/{path}" for path in _photos(UrlFiles(folder), url))
    elif kind is None and glob.has_magic(url):
        matches = match_url(url)
        if not matches:
            raise DataError(f"{url}: no object matches this pattern.")
        yield from matches
    else:
        yield url


def _photos(files: PhotoFiles, given: str) -> Iterator[str]:
    """The paths of the photos below a folder; DataError where there are none."""
    paths = walk_files(files, DataConfig())
    first = next(paths, None)
    if first is None:
        hint = f" It holds Parquet tables: give @{given} for the paths in them." if parquet_files(files) else ""
        raise DataError(f"{given}: no photos in this folder.{hint}")
    yield first
    yield from paths
