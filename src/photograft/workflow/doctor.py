"""`doctor`: what this machine has, and what is missing for which verb."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

from photograft.errors import PhotograftError
from photograft.models.catalogue import BACKBONES
from photograft.models.device import accelerator_hint, usable_cores
from photograft.tracking.cache import Cache, cache_folder
from photograft.workflow.environment import versions

_EXTRAS = {
    "train": ("torch", "torchvision", "timm", "sklearn", "onnx", "onnxscript"),
    "heif": ("pillow_heif",),
    "demo": ("conformal_clip_data",),
}
_FREE_GB = 2.0


def doctor(cache_dir: Path | None = None) -> dict[str, Any]:
    """Versions, device, threads, weights, extras, cache and disk; `problems` are sentences, empty when all is well."""
    folder = cache_folder(cache_dir)
    problems: list[str] = []
    with Cache(folder) as cache:
        sizes, warning = cache.sizes(), cache.warning
    if warning:
        problems.append(warning)
    extras = {name: [m for m in modules if importlib.util.find_spec(m) is None] for name, modules in _EXTRAS.items()}
    if extras["train"]:
        problems.append(
            f"`train` cannot export networks: {', '.join(extras['train'])} missing; pip install 'photograft[train]'"
        )
    weights = {}
    for backbone in BACKBONES:
        try:
            weights[backbone.name] = str(backbone.check_weights())
        except PhotograftError as error:
            weights[backbone.name] = "not found"
            if backbone.in_train_extra or importlib.util.find_spec(backbone.module) is not None:
                problems.append(str(error))
    free_gb = _free_gb(folder)
    if free_gb < _FREE_GB:
        problems.append(f"Only {free_gb:.1f} GB are free at {folder}; set cache.dir to a larger disk.")
    return {
        "versions": versions(),
        "device": {"cores": usable_cores(), "accelerator": accelerator_hint(), "memory_gb": memory_gb()},
        "extras": {
            name: "installed" if not missing else f"missing: {', '.join(missing)}" for name, missing in extras.items()
        },
        "weights": weights,
        "cache": {"dir": str(folder), **sizes, "free_gb": round(free_gb, 1)},
        "problems": problems,
    }


def _free_gb(folder: Path) -> float:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def memory_gb() -> float | None:
    """Memory of the machine, where the system tells it without an extra package."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
