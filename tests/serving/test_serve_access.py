"""Who may ask the server of predictions: addresses, host names, other sites, the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from photograft.errors import ConfigError
from photograft.serving.access import ServiceAccess
from photograft.serving.guard import Refused
from photograft.serving.serve import serve
from photograft.workflow.train import TrainedRun

from .served import Served, served, told

TOKEN = "a-secret~of.16_"


@pytest.fixture(scope="module")
def server(tiny_run: TrainedRun) -> Iterator[Served]:
    with served(tiny_run.bundle, token=TOKEN, allow_hosts=["photos.example"]) as opened:
        opened.client.headers["authorization"] = f"Bearer {TOKEN}"
        yield opened


def test_what_is_wrong_with_an_address_or_a_token_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    nothing = tmp_path / "no model"
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(ConfigError, match="--token"):
            serve(nothing, host=host, port=0)
    for host in ("no such host", "", "x" * 80):
        with pytest.raises(ConfigError, match="--host: there is no address for"):
            serve(nothing, host=host, port=0)
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(ConfigError, match="--token: it is empty"):
            serve(nothing, host=host, port=0, token="")


@pytest.mark.slow
def test_other_addresses_need_a_token_or_the_flag(tiny_run: TrainedRun) -> None:
    for token in ("", "with space", "비밀", "a;b"):
        with pytest.raises(ConfigError, match="--token"):
            serve(tiny_run.bundle, host="0.0.0.0", port=0, token=token)
    with served(tiny_run.bundle, host="0.0.0.0", open_to_all=True) as opened:
        assert opened.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.1", "", "a@localhost", "[::1"])
def test_other_host_names_are_refused(server: Served, host: str) -> None:
    for path in ("/v1/model", "/", "/healthz", "/metrics"):
        assert told(server.client.get(path, headers={"host": host})) == (403, "wrong_host")


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:80", "photos.example"])
def test_own_host_names_are_answered(server: Served, host: str) -> None:
    assert server.client.get("/v1/model", headers={"host": host}).status_code == 200


def test_numbers_are_answered_where_others_may_ask() -> None:
    scope = {"type": "http", "path": "/v1/model", "query_string": b"", "method": "GET"}
    wide = ServiceAccess(host="0.0.0.0", port=1, token=None)
    wide.check(scope, {"host": "192.0.2.1:8000"})
    wide.check(scope, {"host": "[2001:db8::1]:8000"})
    with pytest.raises(Refused):
        wide.check(scope, {"host": "rebound.example"})
    ServiceAccess(host="0.0.0.0", port=1, token=None, hosts=["*"]).check(scope, {"host": "anything.example"})
    with pytest.raises(Refused):
        ServiceAccess(host="127.0.0.1", port=1, token=None).check(scope, {"host": "192.0.2.1"})


def test_other_sites_are_refused(server: Served) -> None:
    get, post = server.client.get, server.client.post
    for origin in ("http://evil.example", "null", "https://localhost.evil.example", ""):
        assert told(post("/v1/predict", content=b"x", headers={"origin": origin})) == (403, "wrong_origin")
    assert told(get("/v1/model", headers={"sec-fetch-site": "cross-site"})) == (403, "wrong_origin")
    own = {"origin": "https://photos.example", "host": "photos.example", "sec-fetch-site": "same-origin"}
    answer = post("/v1/predict", content=b"x", headers=own)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert server.client.options("/v1/predict", headers={"origin": "http://127.0.0.1"}).status_code == 405


def test_nothing_is_told_without_the_token(server: Served) -> None:
    with httpx.Client(base_url=server.address, trust_env=False) as stranger:
        for path in (
            "/",
            "/?token=",
            "/?token=x",
            "/v1/model",
            f"/v1/model?token={TOKEN}",
            "/metrics",
            "/openapi.json",
        ):
            answer = stranger.get(path)
            assert told(answer) == (401, "no_token")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert told(stranger.post("/v1/predict", content=b"x")) == (401, "no_token")
        assert told(stranger.get("/nowhere")) == (401, "no_token")
        for wrong in ("Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN):
            assert stranger.get("/v1/model", headers={"authorization": wrong}).status_code == 401
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert stranger.get(path).status_code == 200


def test_the_page_gives_a_cookie_for_its_address(tiny_run: TrainedRun) -> None:
    with served(tiny_run.bundle, token="abc") as opened:
        page = opened.client.get("/", params={"token": "abc"})
        flags = page.headers["set-cookie"]
        assert flags == f"photograft-{opened.port}=abc; Path=/; HttpOnly; SameSite=Strict"
        assert opened.client.get("/v1/model").status_code == 200  # by the cookie
        assert opened.client.get("/assets/page.js").status_code == 200


def test_every_answer_has_the_headers(server: Served) -> None:
    answers = [
        server.client.get("/v1/model"),
        server.client.get("/nowhere"),
        server.client.post("/v1/predict", content=b""),
        server.client.get("/v1/model", headers={"host": "evil.example"}),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert "server" not in answer.headers
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
