"""Runs copied to TensorBoard: event files, written without TensorFlow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from photograft.errors import MissingExtraError
from photograft.tracking.mirrored import Mirrored
from photograft.tracking.run_folder import name_stem

_ID = "photograft.json"
"""The file in a copy that says which run it is of; TensorBoard reads event files alone."""


def mirror_tensorboard(run: Mirrored, folder: Path) -> bool:
    """Copy a run to a folder of its own in a log directory of TensorBoard; False where it is there.

    Its name is that of the run, with a part of the run's id behind it where another run has that name.

    Raises:
        MissingExtraError: tensorboard is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise MissingExtraError("track.tensorboard", "tensorboard") from error
    if any(_id_of(place) == run.id for place in _places(run, folder)):
        return False
    place = next(place for place in _places(run, folder) if not place.exists())
    unfinished = folder / f".{run.id}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    writer = EventFileWriter(str(unfinished))
    for event in _events(run):
        writer.add_event(event)
    writer.close()
    (unfinished / _ID).write_text(json.dumps({"run": run.id}), encoding="utf-8")
    unfinished.replace(place)
    return True


def _places(run: Mirrored, folder: Path) -> Iterator[Path]:
    stem = name_stem(run.name) or "run"
    yield folder / stem
    yield folder / f"{stem}-{run.id[:8]}"


def _id_of(place: Path) -> str | None:
    try:
        return str(json.loads((place / _ID).read_bytes())["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _events(run: Mirrored) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    yield Event(wall_time=run.began_s, summary=hparams_pb(run.settings, trial_id=run.id, start_time_secs=run.began_s))
    for point in run.points:
        value = Summary.Value(tag=point.metric, simple_value=point.value)
        yield Event(wall_time=run.began_s + point.seconds, step=point.step, summary=Summary(value=[value]))
    scores = [Summary.Value(tag=name, simple_value=value) for name, value in run.scores.items()]
    yield Event(wall_time=run.ended_s, step=0, summary=Summary(value=scores))
    told = {**run.tags, **({"note": run.note} if run.note else {})}
    yield Event(wall_time=run.ended_s, summary=Summary(value=[_text("settings", run.settings), _text("tags", told)]))


def _text(tag: str, values: Mapping[str, str]) -> Any:
    """A table of names and values, as TensorBoard's texts show it."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    cells = [[name, " ".join(value.split()).replace("|", "\\|")] for name, value in values.items()]
    table = "\n".join(f"| {name} | {value} |" for name, value in [["", ""], ["---", "---"], *cells])
    tensor = TensorProto(dtype=DT_STRING, string_val=[table.encode("utf-8", "backslashreplace")])
    return Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata(tag, ""))
