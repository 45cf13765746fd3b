"""What `predict` is given on the command line, as a list of files: files, folders, patterns, or a list on stdin."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from photograft.config.data import DataConfig
from photograft.data.files import open_files
from photograft.data.folders import list_files
from photograft.errors import DataError


def expand_inputs(inputs: Sequence[str], *, stdin: Iterable[bytes] = ()) -> Iterator[str]:
    """Yield paths in the order given: a folder's photos sorted, a pattern's matches sorted, `-` for the lines of stdin.

    A file that does not exist is passed on: it becomes a rejected row. A folder without photos and a pattern that
    matches nothing are errors, since they are most likely typing mistakes.
    """
    for given in inputs:
        if given == "-":
            lines = (line.rstrip(b"\r\n") for line in stdin)
            yield from (os.fsdecode(line) for line in lines if line.strip())
        elif Path(given).is_dir():
            with open_files(Path(given)) as opened:
                files = list_files(opened, DataConfig()).files
            if not files:
                raise DataError(f"{given}: no photos in this folder.")
            yield from (os.path.join(given, *found.path.split("/")) for found in files)  # noqa: PTH118 - keeps the path as given
        elif glob.has_magic(given) and not os.path.lexists(given):
            matches = [m for m in sorted(glob.glob(given, recursive=True)) if not Path(m).is_dir()]  # noqa: PTH207 - keeps the path as given
            if not matches:
                raise DataError(f"{given}: no file matches this pattern.")
            yield from matches
        else:
            yield given
