"""Where the network runs: ONNX Runtime on the CPU, torch on a GPU."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def usable_cores() -> int:
    """Cores that this process may use (containers and task pinning count)."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def accelerator_hint() -> str:
    """Name the device that seems to be present: cuda, mps or cpu. Imports no torch, which would cost seconds."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    drivers = (Path("/dev/nvidiactl"), Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll")
    return "cuda" if any(driver.exists() for driver in drivers) else "cpu"
