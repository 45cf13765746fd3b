"""`--on`: what it may say."""

from __future__ import annotations

import pytest

from photograft.errors import ConfigError, MissingExtraError
from photograft.scaling.cluster import On, open_cluster, parse_on
from photograft.workflow.narrator import Silent


def test_engine_and_address() -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    assert parse_on("ray") == On(None)
    assert parse_on("ray:auto") == On("auto")
    assert parse_on("ray:10.0.0.5:6379") == On("10.0.0.5:6379")


@pytest.mark.parametrize("text", ["dask", "ray:", "", "Ray"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--on"):
        parse_on(text)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"photograft\[ray\]"):
        parse_on("ray")


@pytest.mark.ray
def test_no_cluster_at_the_address() -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with pytest.raises(ConfigError, match="no Ray cluster"), open_cluster(On("127.0.0.1:1"), Silent()):
        pass


@pytest.mark.slow
@pytest.mark.ray
def test_what_ray_prints_of_a_lost_worker_is_no_data(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with open_cluster(On(), Silent()):
        from ray._private.worker import print_to_stdstream

        for left in (15, 14):  # the second is like the first, and held back to the end
            line = f"Task submit failed. There are {left} retries remaining, so the task will be retried."
            print_to_stdstream({"lines": [line], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    assert capfd.readouterr().out == ""
