"""Runs copied to MLflow: a SQLite file, or a server."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photograft.config.track import SQLITE, require_store
from photograft.errors import ConfigError, MissingExtraError
from photograft.tracking.mirrored import Mirrored

_FORBIDDEN = re.compile(r"[^/\w.\- ]|(?<=/)/|^/|\.\.")
_LONGEST_NAME, _LONGEST_VALUE, _LONGEST_TAG = 250, 6000, 5000
_PER_REQUEST = 100  # parameters and tags; MLflow takes 1,000 metrics
_ID = "photograft.run"
_NOISY = ("mlflow", "alembic")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # runs are nobody else's business
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by default a server that is not there is tried for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def mirror_mlflow(run: Mirrored, uri: str) -> bool:
    """Copy a run to an MLflow store, as a run of the experiment named after its photos; False where it is there.

    A copy that was cut off is made again. Files lie in ``mlartifacts`` beside a SQLite file, else where the server
    keeps them.

    Raises:
        ConfigError: `uri` is none that a run can be copied to.
        MissingExtraError: mlflow is not installed.
        Exception: whatever mlflow raises where the store cannot be used.
    """
    try:
        require_store(uri)
    except ValueError as error:
        raise ConfigError(f"MLflow: {error}.") from error
    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    connect = _client_class()
    with _quiet():
        client = connect(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, run.group, uri)
        for known in client.search_runs([experiment], filter_string=f"tags.`{_ID}` = '{run.id}'"):
            if known.info.status == "FINISHED":
                return False
            client.delete_run(known.info.run_id)
        created = client.create_run(
            experiment, start_time=int(1000 * run.began_s), run_name=run.name, tags={_ID: run.id}
        )
        _fill(client, created.info.run_id, run)
        client.set_terminated(created.info.run_id, end_time=int(1000 * run.ended_s))
    return True


def _client_class() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise MissingExtraError("track.mlflow", "mlflow") from error
    return MlflowClient


def _experiment(client: Any, name: str, uri: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        if known.lifecycle_stage != "active":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)
    place = None
    if uri.startswith(SQLITE):
        # By default mlflow would put files into the folder that the command happens to run in.
        place = (Path(uri.removeprefix(SQLITE)).absolute().parent / "mlartifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _fill(client: Any, run_id: str, run: Mirrored) -> None:
    from mlflow.entities import Metric, Param, RunTag

    params = [Param(name, value[:_LONGEST_VALUE]) for name, value in _named(run.settings).items()]
    tags = [RunTag(name, value[:_LONGEST_TAG]) for name, value in _named(run.tags).items()]
    if run.note:
        tags.append(RunTag("mlflow.note.content", run.note[:_LONGEST_TAG]))
    began_ms, ended_ms = int(1000 * run.began_s), int(1000 * run.ended_s)
    metrics = [Metric(name, value, ended_ms, 0) for name, value in _named(run.scores).items()]
    metrics += [
        Metric(_name(point.metric), point.value, began_ms + int(1000 * point.seconds), point.step)
        for point in run.points
    ]
    for kind, values in {"params": params, "tags": tags, "metrics": metrics}.items():
        for start in range(0, len(values), _PER_REQUEST):
            client.log_batch(run_id, **{kind: values[start : start + _PER_REQUEST]})
    for file in run.files:
        client.log_artifact(run_id, str(file))
    if run.network is not None:
        client.log_artifacts(run_id, str(run.network), artifact_path=run.network.name)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_name(name): value for name, value in values.items()}


def _name(text: str) -> str:
    """A name of a parameter or metric as MLflow takes it: letters of any language, digits, and ``_ - . / space``."""
    return _FORBIDDEN.sub("_", text)[:_LONGEST_NAME]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the messages of setting up a database, which are no errors."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what mlflow uses of SQLAlchemy
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
