"""What timm and torchvision say of their networks: asked once in a process that imports them, then kept as JSON.

Importing them takes seconds, and a run whose network was exported before needs neither. `models/library.py` answers.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.tracking.atomic import write_atomically

LIBRARIES = ("timm", "torchvision")
UNKNOWN_LICENCE = "see the model's page"


@dataclass(frozen=True)
class Facts:
    """A network of timm or torchvision before its weights are read.

    `px` is the side it was trained or tested with; `fixed` says that it takes no other. `mean` and `std` are on pixels
    scaled to [0, 1]. `hub` is the repository on the Hugging Face hub and `hub_files` the names its weights may have
    there; `torch_file` is their name in the checkpoints folder of torch.
    """

    name: str
    px: int
    fixed: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop: float
    licence: str
    parameters: int | None
    hub: str | None
    hub_files: tuple[str, ...]
    torch_file: str | None

    def find_weights(self) -> Path | None:
        """The pretrained weights on this machine, in the hub's cache or in torch's folder; None where they are not."""
        if self.hub is not None:
            from huggingface_hub import try_to_load_from_cache

            for name in self.hub_files:
                found = try_to_load_from_cache(self.hub, name)
                if isinstance(found, str):
                    return Path(found)
        if self.torch_file is not None and (torch_folder() / self.torch_file).is_file():
            return torch_folder() / self.torch_file
        return None

    def how_to_get_weights(self) -> str:
        """Which file to put where, as a sentence."""
        ways = []
        if self.hub is not None:
            ways.append(f"run `hf download {self.hub} {self.hub_files[0]}` (hf comes with timm)")
        if self.torch_file is not None:
            ways.append(f"put {self.torch_file} into {torch_folder()}")
        if not ways:
            return f"{self.name} has no published weights: set model.weights=FILE"
        file = self.hub_files[0] if self.hub is not None else self.torch_file
        ways.append(f"bring {file} from another machine and set model.weights=FILE")
        return f"the weights of {self.name} are not on this machine: {', or '.join(ways)}"


_FACTS = TypeAdapter(Facts)


def read_facts(name: str, cache_dir: Path) -> Facts:
    """Facts of `timm:NAME` or `torchvision:NAME`; ConfigError with close spellings where there is no such network."""
    file = facts_file(name, cache_dir)
    try:
        return _FACTS.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        facts = _FACTS.validate_json(_ask_library(name))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, _FACTS.dump_json(facts, indent=1))
    except OSError as error:
        raise ConfigError(
            f"cache.dir: {cache_dir} cannot be written ({error}); choose another folder with cache.dir or the "
            "environment variable PHOTOGRAFT_CACHE."
        ) from error
    return facts


def facts_file(name: str, cache_dir: Path) -> Path:
    """Where the facts are kept; another release of the library has facts of its own."""
    library = name.partition(":")[0]
    try:
        version = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    return cache_dir / "networks" / f"{file_name(name)}-{version}.facts.json"


def file_name(name: str) -> str:
    """The name of a network as part of a file name on every system."""
    return name.replace(":", "-").replace("/", "-")


def torch_folder() -> Path:
    """Where torch keeps downloaded weights, by its rules; importing it would take seconds."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser() / "hub" / "checkpoints"


def _ask_library(name: str) -> bytes:
    for module in ("torch", *LIBRARIES):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"model.backbone: {name} (module {module})", "train")
    command = [sys.executable, "-m", "photograft.models.library", name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == 0:
        return done.stdout
    last = (done.stderr.decode(errors="replace").strip() or "no message").splitlines()[-1]
    if done.returncode == ConfigError.exit_code:
        raise ConfigError(last)
    raise ModelError(f"{name} could not be looked up: {last}")
