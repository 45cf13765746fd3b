"""What a fit will take, measured on a few of its batches: number type, memory layout, batch size, time.

What is measured differs from run to run: the caller writes the choice down, so that a resumed run makes the same one.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from photograft.errors import ConfigError
from photograft.training.loop import Fit, Task
from photograft.training.optim import copied, moving_tensors, put
from photograft.training.reading import Batch

Precision = Literal["fp32", "bf16", "fp16"]

_WORTHWHILE = 1.15
_REPEATS = 3
_ENOUGH_S = 4.0
_PROBE_PHOTOS = 4
_IN_FLIGHT = 1.5
"""Peak of a step's memory over what is kept for the backward pass: gradients and reordered copies come on top."""


@dataclass(frozen=True)
class Measured:
    """How to train, and what it takes: `step_s` to compute one step, `read_s` to read it, each with all of its batches.

    `photo_s` are seconds per photo and epoch, of all processes together. `peak_bytes` is the most memory that the
    process, or the GPU, should need. `reasons` say in words what was chosen.
    """

    precision: Precision
    channels_last: bool
    batch_size: int
    step_s: float
    read_s: float
    photo_s: float
    peak_bytes: int
    reasons: tuple[str, ...]


def measure(task: Task, *, memory_limit: int = 3_000_000_000, n_processes: int = 1) -> Measured:
    """Choose what the settings leave open, and estimate time and memory; the network is left as it was.

    Args:
        task: The fit; what its settings name is kept.
        memory_limit: Bytes that a batch size may lead to, chosen where `train.batch_size` is ``auto``.
        n_processes: How many share each batch, at the same time; this one alone is measured, with its part.

    Raises:
        ConfigError: the batch size that was asked for does not fit into the memory of the GPU.
    """
    before = copied(moving_tensors(task.network))
    try:
        return _measure(task, memory_limit, n_processes)
    finally:
        put(before, moving_tensors(task.network))
        task.network.eval()


def _measure(task: Task, memory_limit: int, n_processes: int) -> Measured:
    asked = task.config
    whole = 32 if asked.batch_size == "auto" else asked.batch_size
    part = -(-whole // n_processes)
    start = asked.model_copy(
        update={
            "lr": 1e-6,  # takes as long as any other, and what is only tried out does not diverge
            "head_lr": 1e-6,
            "precision": "fp32" if asked.precision == "auto" else asked.precision,
            "channels_last": False if asked.channels_last == "auto" else asked.channels_last,
        }
    )
    task, peak_bytes, reasons = _fit_batch_size(replace(task, config=start), part, memory_limit, whole, n_processes)
    step_s = _time_step(task)
    if asked.channels_last == "auto":
        task, step_s, reason = _faster(task, step_s, "channels_last", True, 1.0)
        reasons.append(reason)
    if asked.precision == "auto" and has_bf16(task.device):
        task, step_s, reason = _faster(task, step_s, "precision", "bf16", _WORTHWHILE)
        reasons.append(reason)
    fit = Fit(task)
    read_s = _best_time(lambda: fit.reader.step(0))
    n_read = sum(batch.n_photos for batch in fit.reader.step(0))
    chosen = task.config
    assert chosen.precision != "auto" and chosen.channels_last != "auto" and chosen.batch_size != "auto"
    batch_size = _of_all(chosen.batch_size, part, whole, n_processes)
    return Measured(
        chosen.precision,
        chosen.channels_last,
        batch_size,
        step_s,
        read_s,
        (step_s + read_s) / (n_read * batch_size / chosen.batch_size),  # the others have their parts meanwhile
        peak_bytes,
        tuple(reasons),
    )


def _of_all(size: int, part: int, whole: int, n_processes: int) -> int:
    """The batch of all processes where one has `size` photos of it; of a whole one it has `part`, rounded up."""
    return whole if size == part else size * n_processes


def _fit_batch_size(
    task: Task, part: int, memory_limit: int, whole: int, n_processes: int
) -> tuple[Task, int, list[str]]:
    """The task with the largest of the batch size, a half of it, a quarter ... that fits.

    It is the part of one process; what is said is of the whole batch, which the settings name.
    """
    size = part
    fixed = task.config.batch_size != "auto"
    smallest = 2 if task.pairs or task.config.batchnorm == "moved" else 1
    on_cpu = not task.device.startswith("cuda")
    base, per_photo = _memory(task) if on_cpu else (0, 0)
    while True:
        sized = replace(task, config=task.config.model_copy(update={"batch_size": size}))
        peak = base + size * per_photo if on_cpu else _cuda_peak(sized)
        fits = peak is not None and (not on_cpu or peak <= memory_limit)
        if fits or fixed or size // 2 < smallest:
            break
        size //= 2
    said = _of_all(size, part, whole, n_processes)
    if peak is None:
        less = (
            f"try {size // 2 * n_processes}" if size // 2 >= smallest else "take a later model.graft, or less input.px"
        )
        raise ConfigError(f"train.batch_size={said} does not fit into the memory of {task.device}: {less}")
    each = f" in each of {n_processes} processes" if n_processes > 1 else ""
    reasons = []
    if size < part:
        reasons.append(f"batches of {said}: {whole} would need more memory than {memory_limit / 1e9:.1f} GB{each}")
    elif not fits:
        needed = f"may need {peak / 1e9:.1f} GB of memory{each}"
        reasons.append(f"batches of {said} {needed}: train.batch_size makes them smaller")
    return sized, peak, reasons


def _memory(task: Task) -> tuple[int, int]:
    """Bytes that the process takes beside batches, and per photo of a batch."""
    small = min(_PROBE_PHOTOS, len(task.train.row_N))
    fit = Fit(replace(task, config=task.config.model_copy(update={"batch_size": small, "accumulate": 1, "ema": 0.0})))
    batches = fit.reader.step(0)
    kept = _Kept(fit.network)
    with torch.autograd.graph.saved_tensors_hooks(kept.note, _unchanged):
        fit.trial_step(batches, 0)
    read = sum(value.nbytes for batch in batches for value in batch.values)
    n_photos = sum(len(batch.share_BK) for batch in batches)
    per_photo = math.ceil((_IN_FLIGHT * kept.n_bytes + 4 * read) / n_photos)  # a batch in use, two ready, one coming
    trainable = sum(p.numel() * p.element_size() for p in fit.network.parameters() if p.requires_grad)
    copies = 1 + 2 + bool(task.config.ema) + (task.val is not None) + 2  # gradients, moments, and one being saved
    return _resident_bytes() + copies * trainable, per_photo


class _Kept:
    """Counts the memory that is kept for a backward pass, each piece once, weights left out."""

    def __init__(self, network: nn.Module) -> None:
        self.n_bytes = 0
        tensors = [*network.parameters(), *network.buffers()]
        self._known = {tensor.untyped_storage().data_ptr() for tensor in tensors}

    def note(self, tensor: Tensor) -> Tensor:
        """Take in a tensor that the backward pass will need."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._known.add(storage.data_ptr())
            self.n_bytes += storage.nbytes()
        return tensor


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _cuda_peak(task: Task) -> int | None:
    """The most memory that a step took on the GPU; None where it was not enough."""
    try:
        torch.cuda.reset_peak_memory_stats(task.device)
        fit = Fit(task)
        fit.trial_step(fit.reader.step(0), 0)
        return int(torch.cuda.max_memory_allocated(task.device))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


def _resident_bytes() -> int:
    """Memory of this process now; where the system does not tell, its peak so far or a typical value (Windows)."""
    statm = Path("/proc/self/statm")
    try:
        import resource
    except ImportError:
        return 700_000_000
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _faster(task: Task, step_s: float, setting: str, value: object, worthwhile: float) -> tuple[Task, float, str]:
    """The task with a setting changed where a step is then faster, the time of its step, and a sentence on it."""
    changed = replace(task, config=task.config.model_copy(update={setting: value}))
    changed_s = _time_step(changed)
    step_s = min(step_s, _time_step(task))  # again: the machine may have been busier before
    gain = step_s / changed_s
    sentence = f"train.{setting}={str(value).lower()} makes a step {gain:.2f} times as fast"
    if gain > worthwhile:
        return changed, changed_s, f"{sentence}: taken"
    return task, step_s, f"{sentence}: not taken"


def _time_step(task: Task) -> float:
    fit = Fit(task)
    batches: Sequence[Batch] = fit.reader.step(0)
    return _best_time(lambda: fit.trial_step(batches, 0))


def _best_time(work: Callable[[], Any]) -> float:
    """The shortest time of some repeats, after one that warms up; fewer repeats where it is slow."""
    began = time.perf_counter()
    work()
    times_s: list[float] = []
    while len(times_s) < _REPEATS and (not times_s or time.perf_counter() - began < _ENOUGH_S):
        start = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start)
    return min(times_s)


def has_bf16(device: str) -> bool:
    """Whether the device computes with bf16 by itself, so that it may be faster."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every release that works
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
