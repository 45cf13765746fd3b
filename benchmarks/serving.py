"""How many photos a second `photograft serve` answers, how long they wait, and how its memory grows.

    python benchmarks/serving.py RUN_OR_BUNDLE PHOTOS [--rounds 3] [--seconds 10]

The peer is `peer_server.py`: FastAPI and torch around the same weights, as tutorials write it. Both answer on the
loopback address to wrk (https://github.com/wg/wrk, a package of Debian), which sends one photo per request on 1, 8 and
32 connections, each as soon as the answer before it came. Every server is a process that is started anew in each round;
rounds alternate, and the table shows their medians. 50 photos are sent in turn, after each was sent once.

Then ours alone: 10,000 photos on 8 connections, with resident memory of all its processes on the way; and more
connections than its queue holds photos, where it must refuse some and answer the others without a longer wait.
The probabilities of both servers are compared with those of `photograft.load` first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

import machine
from machine import say, show, spread
from photograft.data.inputs import expand_inputs
from photograft.inference.classifier import load

CLIENTS = (1, 8, 32)
TARGET_RATIO = 3.0
_PHOTOS = 50
_SCRIPT = Path(__file__).with_name("serving.lua")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="RUN_OR_BUNDLE")
    parser.add_argument("photos", metavar="PHOTOS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--endurance", type=int, default=10_000, help="photos of the memory test")
    parser.add_argument("--flood", type=int, default=256, help="connections of the overload")
    arguments = parser.parse_args()
    facts = machine.facts()
    paths = _choose(arguments.photos)
    ours = machine.photograft("serve", arguments.model, "--port")
    peer = [sys.executable, str(Path(__file__).with_name("peer_server.py")), arguments.model]
    servers = {
        "photograft": Server("/v1/predict", "files", "/readyz", (*ours, "{port}")),
        "photograft, raw body": Server("/v1/predict", "raw", "/readyz", (*ours, "{port}")),
        "torch, def": Server("/predict", "file", "/openapi.json", (*peer, "--endpoint", "thread", "--port", "{port}")),
        "torch, async def": Server(
            "/predict", "file", "/openapi.json", (*peer, "--endpoint", "loop", "--port", "{port}")
        ),
    }
    results: dict[str, Any] = {"agreement": _agreement(arguments.model, paths, servers)}
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.txt"
        listed.write_text("\n".join(paths), encoding="utf-8")
        results["load"] = _load(servers, listed, arguments.rounds, arguments.seconds)
        results["memory"] = _endurance(servers["photograft"], listed, arguments.endurance)
        results["overload"] = _overload(servers["photograft"], listed, arguments.flood, arguments.seconds)
    results["target"] = _target(results["load"])
    print(machine.describe(facts))
    _print(results)
    machine.write_json("serving", facts, vars(arguments), results)


class Server:
    """How a server is started and asked: `form` is the multipart field, or "raw"."""

    def __init__(self, route: str, form: str, ready: str, command: Sequence[Any]) -> None:
        self.route, self.form, self._ready, self._command = route, form, ready, command

    @contextlib.contextmanager
    def running(self) -> Iterator[tuple[str, psutil.Process]]:
        """The address of the server once it is ready, and its process."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(part).format(port=port) for part in self._command]
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
            try:
                _wait_ready(f"http://127.0.0.1:{port}{self._ready}", process, told)
                yield f"http://127.0.0.1:{port}{self.route}", psutil.Process(process.pid)
            finally:
                process.terminate()
                process.wait(30)

    def ask(self, address: str, path: str) -> tuple[str, float]:
        """Label and probability of one photo."""
        content = Path(path).read_bytes()
        if self.form == "raw":
            answer = httpx.post(address, content=content, headers={"content-type": "image/jpeg"}, timeout=60)
        else:
            answer = httpx.post(address, files={self.form: ("photo.jpg", content, "image/jpeg")}, timeout=60)
        answer.raise_for_status()
        row = answer.json()
        row = row["predictions"][0] if "predictions" in row else row
        return row["label"], row["probability"]


def _choose(photos: str) -> list[str]:
    """Photos from all over the folder that the peer can read too."""
    paths = [path for path in expand_inputs([photos]) if path.lower().endswith((".jpg", ".jpeg"))]
    return paths[:: max(1, len(paths) // _PHOTOS)][:_PHOTOS]


def _wait_ready(address: str, process: subprocess.Popen[bytes], told: Any) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address, timeout=5).status_code == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    told.seek(0)
    raise SystemExit(f"A server did not start:\n{told.read().decode(errors='replace')}")


def _agreement(model: Path, paths: Sequence[str], servers: dict[str, Server]) -> dict[str, Any]:
    """The largest difference of a probability to `photograft.load`, and the share of equal labels, by server."""
    with load(model) as classifier:
        wanted = [(found.label, found.probability) for found in classifier.predict_each(paths)]
    found: dict[str, Any] = {}
    for name, server in servers.items():
        with server.running() as (address, _):
            answers = [server.ask(address, path) for path in paths]
        pairs = list(zip(wanted, answers, strict=True))
        found[name] = {
            "same_label": statistics.mean(a[0] == b[0] for a, b in pairs),
            "largest_difference": max(abs((a[1] or 0) - b[1]) for a, b in pairs if a[0] == b[0]),
        }
    return found


def _load(servers: dict[str, Server], listed: Path, rounds: int, seconds: int) -> dict[str, Any]:
    """Per server and number of clients: photos per second, waiting times and memory, each over the rounds."""
    found: dict[str, dict[int, list[dict[str, float]]]] = {name: {n: [] for n in CLIENTS} for name in servers}
    for number in range(rounds):
        for name, server in servers.items():
            with server.running() as (address, process):
                _wrk(server, address, listed, 1, _PHOTOS // 10)
                for clients in CLIENTS:
                    measured = _wrk(server, address, listed, clients, seconds)
                    measured["rate"] = (measured["requests"] - measured["not_2xx"]) / measured["seconds"]
                    measured["rss_mb"] = _resident_mb(process)
                    found[name][clients].append(measured)
                    say(f"round {number + 1}: {name}, {clients} clients: {measured['rate']:.1f} photos/s")
    return {
        name: {
            clients: {key: spread([each[key] for each in measured]) for key in measured[0]}
            for clients, measured in by_clients.items()
        }
        for name, by_clients in found.items()
    }


def _endurance(server: Server, listed: Path, photos: int) -> list[dict[str, float]]:
    """Resident memory after each tenth of the photos."""
    steps: list[dict[str, float]] = []
    sent = 0
    with server.running() as (address, process):
        _wrk(server, address, listed, 8, 5)
        while sent < photos:
            sent += int(_wrk(server, address, listed, 8, 10)["requests"])
            steps.append({"photos": sent, "rss_mb": _resident_mb(process)})
            say(f"{sent:,} photos: {steps[-1]['rss_mb']:.0f} MB")
    return steps


def _overload(server: Server, listed: Path, connections: int, seconds: int) -> dict[str, Any]:
    """What becomes of more photos than the queue holds, and what a refused request is told."""
    with server.running() as (address, process):
        command = _command(server, address, listed, connections, seconds)
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        first = Path(listed.read_text(encoding="utf-8").splitlines()[0]).read_bytes()
        refusals, waits_s = [], []
        while flood.poll() is None:
            before = time.perf_counter()
            answer = httpx.post(address, files={"files": ("photo.jpg", first, "image/jpeg")}, timeout=60)
            if answer.status_code == 503:
                refusals.append(answer.headers.get("retry-after"))
            elif answer.status_code == 200:
                waits_s.append(time.perf_counter() - before)
        measured = _read(flood.communicate()[0])
        after = server.ask(address, listed.read_text(encoding="utf-8").splitlines()[0])
        rss_mb = _resident_mb(process)
    return measured | {
        "connections": connections,
        "refusals_seen": len(refusals),
        "retry_after": sorted({each or "missing" for each in refusals}),
        "answered_ms": spread([1000 * each for each in waits_s]) if waits_s else None,
        "answers_afterwards": after[0],
        "rss_mb": rss_mb,
    }


def _wrk(server: Server, address: str, listed: Path, clients: int, seconds: int) -> dict[str, float]:
    done = subprocess.run(
        _command(server, address, listed, clients, seconds), capture_output=True, text=True, check=True
    )
    return _read(done.stdout)


def _command(server: Server, address: str, listed: Path, clients: int, seconds: int) -> list[str]:
    settings = ["--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s", "--timeout", "30s"]
    return ["wrk", *settings, "--script", str(_SCRIPT), address, "--", server.form, str(listed)]


def _read(printed: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
    return found


def _resident_mb(process: psutil.Process) -> float:
    """Of the server and the processes that it started; pages that they share count in each."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += each.memory_info().rss / 1e6
    return total


def _target(measured: dict[str, Any]) -> dict[str, Any]:
    """Ours against the faster peer at 8 clients, in the form that both take."""
    rates = {name: measured[name][8]["rate"]["median"] for name in measured}
    peer = max((name for name in rates if name.startswith("torch")), key=lambda name: rates[name])
    ratio = rates["photograft"] / rates[peer]
    return {"peer": peer, "ratio": ratio, "wanted": TARGET_RATIO, "reached": ratio >= TARGET_RATIO}


def _print(results: dict[str, Any]) -> None:
    rows = [
        [
            f"{name}, {clients}",
            show(found["rate"]),
            *(show(found[key]) for key in ("p50_ms", "p95_ms", "p99_ms")),
            show(found["not_2xx"], digits=0),
            show(found["rss_mb"], digits=0),
        ]
        for name, by_clients in results["load"].items()
        for clients, found in by_clients.items()
    ]
    header = ["server, clients", "photos/s", "p50 ms", "p95 ms", "p99 ms", "refused", "MB"]
    machine.print_table("Load on the loopback address", header, rows)
    target = results["target"]
    word = "reached" if target["reached"] else "NOT reached"
    print(f"\nAt 8 clients {target['ratio']:.2f} times {target['peer']} (target {target['wanted']:g}: {word})")
    for name, found in results["agreement"].items():
        share, difference = found["same_label"], found["largest_difference"]
        print(f"{name}: {share:.0%} of the labels of photograft.load, probabilities within {difference:.1e}")
    first, last = results["memory"][0], results["memory"][-1]
    print(f"Memory: {first['rss_mb']:.0f} MB after {first['photos']:,} photos, {last['rss_mb']:.0f} after ", end="")
    print(f"{last['photos']:,}")
    over = results["overload"]
    print(
        f"{over['connections']} connections: {over['requests'] - over['not_2xx']:,} answered, {over['not_2xx']:,} "
        f"refused (Retry-After {', '.join(over['retry_after']) or 'not seen'}), {over['failed']} without an answer; "
        f"answered ones took {show(over['answered_ms'], digits=0)} ms; p99 of all {over['p99_ms']:.0f} ms"
    )


if __name__ == "__main__":
    main()
