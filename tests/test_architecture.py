"""The shape of the package: layers, heavy imports, file sizes, and how fast the command answers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import photograft

SOURCE = Path(photograft.__file__).parent
ORDER = (
    "__main__ > cli > serving > estimator scaling > workflow > reporting > evaluation retrieval > training inference "
    "> features > models > data tracking > config metrics > contract schemas recipes > values > errors"
)
LAYERS = ORDER.split(">")
HEIGHT = {name: len(LAYERS) - i for i, names in enumerate(LAYERS) for name in names.split()}
TORCH_MODELS = (
    *("backbone", "library", "trunks", "architectures", "autoencoder", "decoder", "weights", "points", "graft", "head"),
    *("moments", "onnx_export", "saliency", "export_timm"),
)
TORCH_TRAINING = ("loop", "losses", "optim", "checkpoint", "lr_finder", "measure", "pretraining", "distributed")
TORCH_FILES = {
    "features/engine_torch.py",
    *(f"models/{name}.py" for name in TORCH_MODELS),
    *(f"training/{name}.py" for name in TORCH_TRAINING),
    *(f"data/{name}.py" for name in ("loaders", "transforms")),
}
MAY_IMPORT = {
    "torch": TORCH_FILES,
    "torchvision": TORCH_FILES,
    "timm": {"models/backbone.py", "models/library.py", "models/export_timm.py"},
    "sklearn": {"estimator.py"},
}


def test_imports_point_down_and_not_to_siblings() -> None:
    wrong = []
    for file, module in imports():
        own = file.partition("/")[0].removesuffix(".py")
        parts = module.split(".")
        if own == "__init__" or parts[0] != "photograft" or len(parts) == 1 or parts[1] == own:
            continue
        if parts[1] in HEIGHT and not HEIGHT[own] > HEIGHT[parts[1]]:
            wrong.append(f"{file} imports {module}")
    assert not wrong


def test_every_module_has_a_layer() -> None:
    names = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}
    assert names - {"__init__"} <= set(HEIGHT)


def test_heavy_packages_are_imported_only_where_they_belong() -> None:
    wrong = [f"{f} imports {m}" for f, m in imports() if f not in MAY_IMPORT.get(m.partition(".")[0], {f})]
    assert not wrong


def test_no_file_is_over_500_lines() -> None:
    lengths = {str(path): len(path.read_text("utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert not {path: length for path, length in lengths.items() if length > 500}


def test_no_function_is_over_60_lines() -> None:
    nodes = (node for path in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 60]


def test_importing_photograft_loads_nothing_heavy() -> None:
    heavy = ("torch", "timm", "sklearn", "onnxruntime", "torchvision")
    code = f"import sys, photograft, photograft.cli.main; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_help_answers_in_half_a_second() -> None:
    times_s = []
    for _ in range(4):  # CPU time of the best run: the machine may be busy with something else
        before = os.times()
        subprocess.run([sys.executable, "-m", "photograft", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        times_s.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(times_s) <= 0.5


def imports() -> Iterator[tuple[str, str]]:
    """Every import of every source file as (file, imported module), those inside functions too."""
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} imports relatively"
                root = node.module == "photograft"
                yield from ((file, f"photograft.{alias.name}" if root else str(node.module)) for alias in node.names)
