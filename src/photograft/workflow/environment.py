"""What a run was made with: versions, data hash, state of the user's code."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from photograft import __version__
from photograft.values import Manifest

_PACKAGES = ("numpy", "pillow", "onnxruntime", "pydantic", "safetensors", "torch", "timm", "scikit-learn", "onnx")


def versions() -> dict[str, str]:
    """Versions of photograft, Python, the system and the packages that numbers depend on; imports none of them."""
    found = {"photograft": __version__, "python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def data_sha256(manifest: Manifest) -> str:
    """One hash over every usable row's name, label and content, box included: equal data, equal hash."""
    digest = hashlib.sha256()
    for photo in manifest.usable.photos:
        digest.update(f"{photo.name}\0{photo.label}\0{photo.content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def git_state(folder: Path) -> dict[str, str]:
    """Commit and cleanness of the git checkout around `folder`; empty where there is none."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {
        "commit": commit,
        "changed": "yes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "no",
    }


def command_line() -> str:
    """The command as one would type it again, for the record."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
