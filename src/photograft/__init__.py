"""photograft: graft your own classes onto a pretrained network.

The flow, in two lines::

    run = photograft.train("photos/")                      # runs/<date>-photos/ with report.html and model/
    photograft.load(run.bundle).predict("new.jpg").label   # anywhere, without torch

Every name is loaded on first use, so that `import photograft` costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

# ONNX Runtime reports its use to its maker, and keeps an id of the machine, unless it is told not to before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_WHERE = {
    "Config": "photograft.config",
    "load_config": "photograft.config",
    "advise": "photograft.workflow.advise",
    "check": "photograft.workflow.check",
    "split": "photograft.workflow.split",
    "pretrain": "photograft.workflow.pretrain",
    "resume_pretraining": "photograft.workflow.pretrain",
    "train": "photograft.workflow.train",
    "plan": "photograft.workflow.train",
    "resume": "photograft.workflow.train",
    "tune": "photograft.workflow.tune",
    "resume_tuning": "photograft.workflow.tune",
    "list_recipes": "photograft.config.recipe",
    "run_recipe": "photograft.workflow.recipes",
    "report": "photograft.workflow.render",
    "load": "photograft.inference.classifier",
    "evaluate": "photograft.workflow.evaluate",
    "build_index": "photograft.workflow.search_build",
    "add_photos": "photograft.workflow.search_build",
    "remove_photos": "photograft.workflow.search_build",
    "update_index": "photograft.workflow.search_build",
    "merge_indexes": "photograft.workflow.search_merge",
    "open_index": "photograft.workflow.search",
    "verify": "photograft.inference.verify",
    "export": "photograft.workflow.export",
    "compare_runs": "photograft.workflow.compare",
    "diff_runs": "photograft.workflow.run_diff",
    "export_heads": "photograft.workflow.heads",
    "add_heads": "photograft.workflow.heads",
    "open_heads": "photograft.inference.heads",
    "PhotoClassifier": "photograft.estimator",
    "PhotograftError": "photograft.errors",
}

__all__ = [
    "Config",
    "PhotoClassifier",
    "PhotograftError",
    "__version__",
    "add_heads",
    "add_photos",
    "advise",
    "build_index",
    "check",
    "compare_runs",
    "diff_runs",
    "evaluate",
    "export",
    "export_heads",
    "list_recipes",
    "load",
    "load_config",
    "merge_indexes",
    "open_heads",
    "open_index",
    "plan",
    "pretrain",
    "remove_photos",
    "report",
    "resume",
    "resume_pretraining",
    "resume_tuning",
    "run_recipe",
    "split",
    "train",
    "tune",
    "update_index",
    "verify",
]

if TYPE_CHECKING:
    from photograft.config import Config, load_config
    from photograft.config.recipe import list_recipes
    from photograft.errors import PhotograftError
    from photograft.estimator import PhotoClassifier
    from photograft.inference.classifier import load
    from photograft.inference.heads import open_heads
    from photograft.inference.verify import verify
    from photograft.workflow.advise import advise
    from photograft.workflow.check import check
    from photograft.workflow.compare import compare_runs
    from photograft.workflow.evaluate import evaluate
    from photograft.workflow.export import export
    from photograft.workflow.heads import add_heads, export_heads
    from photograft.workflow.pretrain import pretrain, resume_pretraining
    from photograft.workflow.recipes import run_recipe
    from photograft.workflow.render import report
    from photograft.workflow.run_diff import diff_runs
    from photograft.workflow.search import open_index
    from photograft.workflow.search_build import add_photos, build_index, remove_photos, update_index
    from photograft.workflow.search_merge import merge_indexes
    from photograft.workflow.split import split
    from photograft.workflow.train import plan, resume, train
    from photograft.workflow.tune import resume_tuning, tune


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'photograft' has no attribute {name!r}")
    if name == "PhotoClassifier" and importlib.util.find_spec("sklearn") is None:
        from photograft.errors import MissingExtraError

        raise MissingExtraError("PhotoClassifier", "train")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
