"""What all benchmarks share: facts about the machine, whole processes with time and memory, tables, JSON files."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"
"""Results, and the caches of benchmarks that compute features. Git ignores it."""

_SAMPLE_S = 0.05
_QUIET_LOAD = 0.5
_PACKAGES = ("photograft", "numpy", "Pillow", "onnxruntime", "torch", "torchvision", "timm", "fastai")


@dataclass(frozen=True)
class Finished:
    """A process that ended well: seconds from its start to its end, and its memory.

    `peak_rss_mb` is the largest sum of resident memory over the process and its descendants, sampled every 50 ms. Pages
    that processes share count in each of them, so it is an upper bound. `largest_rss_mb` is that of the largest single
    process among them: the larger of what was sampled and what the system recorded (ru_maxrss).
    """

    wall_s: float
    peak_rss_mb: float
    largest_rss_mb: float
    stdout: str
    stderr: str

    def json(self) -> Any:
        """What the process printed on stdout, read as JSON."""
        return json.loads(self.stdout)


def run_process(
    command: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None, accept: Sequence[int] = (0,)
) -> Finished:
    """Run a command to its end and measure it. Every process of a comparison is started here, in the same way.

    `env` is added to the environment, and `accept` are the exit codes of a good end. Raises RuntimeError with the end
    of stderr where the command fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stop, peak = threading.Event(), _Peak()
        started = time.perf_counter()
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(env or {})},
        )
        sampler = threading.Thread(target=_sample_memory, args=(process.pid, stop, peak), daemon=True)
        sampler.start()
        try:
            recorded_mb = _wait(process)
            wall_s = time.perf_counter() - started
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            stop.set()
            sampler.join()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    if process.returncode not in accept:
        told = "\n".join(texts[1].splitlines()[-15:])
        raise RuntimeError(f"{' '.join(map(str, command))} ended with exit code {process.returncode}:\n{told}")
    largest_mb = max(peak.one_mb, recorded_mb)
    return Finished(wall_s, max(peak.all_mb, largest_mb), largest_mb, *texts)


def facts() -> dict[str, Any]:
    """The machine, its load before the benchmark starts, and the versions that are measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "git": _git_state(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages of this interpreter that matter to the numbers."""
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(machine: Mapping[str, Any]) -> str:
    """The facts in two lines, to stand above a table."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    busy = (machine["load_before"] or 0) > _QUIET_LOAD
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, load before {machine['load_before']}\n{packages}; git {machine['git']}"
        + ("\nThe machine was busy before the start: the seconds are those of a busy machine." if busy else "")
    )


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, minimum and maximum of several runs, and the runs themselves."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": list(values)}


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation, minimum and maximum of a score over seeds, and the scores themselves."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": statistics.mean(values),
        "sd": deviation,
        "min": min(values),
        "max": max(values),
        "seeds": [*values],
    }


def show(measured: Mapping[str, Any] | None, *, digits: int = 1, factor: float = 1.0) -> str:
    """A spread as "median (min-max)"; the median alone where there was one run, a dash where there was none."""
    if measured is None:
        return "-"
    middle, low, high = (f"{measured[name] * factor:,.{digits}f}" for name in ("median", "min", "max"))
    return middle if len(measured["runs"]) == 1 else f"{middle} ({low}-{high})"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown, columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}\n")
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")


def write_json(name: str, machine: Mapping[str, Any], arguments: Mapping[str, Any], results: Any) -> None:
    """Write benchmarks/out/NAME.json and say so."""
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{name}.json"
    content = {"benchmark": name, "machine": machine, "arguments": arguments, "results": results}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    print(f"\nWritten to {file}")


def say(text: str) -> None:
    """Tell how far the benchmark is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def photograft(*arguments: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
    """The command line of `photograft` in this interpreter."""
    return [sys.executable, "-m", "photograft", *arguments]


@dataclass
class _Peak:
    """Largest resident memory seen so far: of all processes together, and of one alone."""

    all_mb: float = 0.0
    one_mb: float = 0.0


def _wait(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end; gives the peak memory in MB that the system recorded, 0 where that says nothing."""
    if not hasattr(os, "wait4"):
        process.wait()
        return 0.0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    import resource

    # On Linux a new process starts with the peak of the one that started it, so less than that says nothing.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * bytes_per_unit / 1e6 if usage.ru_maxrss > own else 0.0


def _sample_memory(pid: int, stop: threading.Event, peak: _Peak) -> None:
    import psutil  # here, because the interpreter of a peer imports this file and has no psutil

    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        while not stop.wait(_SAMPLE_S):
            each_mb = [0.0]
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    each_mb.append(process.memory_info().rss / 1e6)
            peak.all_mb, peak.one_mb = max(peak.all_mb, sum(each_mb)), max(peak.one_mb, *each_mb)


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> int | None:
    try:
        import psutil
    except ImportError:
        return None
    return round(psutil.virtual_memory().total / 1e9)


def _git_state() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
