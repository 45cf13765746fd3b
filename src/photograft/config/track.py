"""Settings of mirrors: other trackers that get a copy of what a run folder holds."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import field_validator

from photograft.config.section import Section

SQLITE = "sqlite:///"
_STORE = re.compile(r"(sqlite:///.|https?://.)")


class TrackConfig(Section):
    """Where else a finished run is kept. The run folder is the truth; what fails here never fails a run."""

    mlflow: str | None = None
    """An MLflow store that gets a copy of the run at its end: a SQLite file, such as `sqlite:///mlflow.db`, or the
    address of a server. Needs the `mlflow` extra."""

    tensorboard: Path | None = None
    """A log directory of TensorBoard that gets a copy of the run at its end. Needs the `tensorboard` extra."""

    @field_validator("mlflow")
    @classmethod
    def _is_store(cls, uri: str | None) -> str | None:
        if uri is not None:
            require_store(uri)
        return uri

    def absolute(self) -> TrackConfig:
        """The same mirrors, as they are called from every folder."""
        folder, store = self.tensorboard, self.mlflow
        if store is not None and store.startswith(SQLITE):
            store = SQLITE + Path(store.removeprefix(SQLITE)).absolute().as_posix()
        return TrackConfig(mlflow=store, tensorboard=None if folder is None else folder.absolute())


def require_store(uri: str) -> None:
    """Raise ValueError where `uri` is no place that MLflow could keep runs in."""
    if not _STORE.match(uri):
        raise ValueError(
            f"{uri} is neither a SQLite file, such as sqlite:///mlflow.db, nor a server, such as http://127.0.0.1:5000"
        )
