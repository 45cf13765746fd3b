"""`export --to web`: a static folder whose page classifies wholly in the browser, offline.

The page executes the contract in JavaScript (`pages/web/`) and runs the bundle's own graphs in onnxruntime-web. That
runtime comes from npm, at one version whose hash is known here, and is kept in the cache; or from a folder.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from importlib.metadata import files as files_of_package
from pathlib import Path

from photograft.errors import ConfigError
from photograft.models.bundle import Bundle, check_files
from photograft.tracking.atomic import write_atomically
from photograft.tracking.cache import cache_folder
from photograft.workflow.narrator import Narrator, Silent

RUNTIME_VERSION = "1.30.0"
RUNTIME_INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""What npm says of the package's archive; the hashes of the files taken from it follow."""

_RUNTIME = {
    # One thread, no graphics card: it needs no headers that only some hosts can send.
    "ort.wasm.bundle.min.mjs": ("ort.js", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"),
    "ort-wasm-simd-threaded.wasm": ("ort.wasm", "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"),
}
_PAGES = Path(__file__).resolve().parent.parent / "pages"
"""What all pages share, and below it, in `web`, what this one has."""
_HOSTING = "HOSTING.md"
_NPM_S = 300


def export_web(
    bundle: Bundle, folder: Path, *, runtime: Path | None = None, narrator: Narrator | None = None
) -> dict[str, int]:
    """Write the page, the bundle and the runtime into an empty or new folder; gives the size of each file in bytes.

    Args:
        bundle: Any bundle: several networks, factors, several labels, views and decisions work as in Python.
        folder: Where the page goes.
        runtime: A folder with onnxruntime-web, for machines without npm or network: the unpacked package, or one that
            has it in `node_modules`.
        narrator: Who is told what is fetched.

    Raises:
        ConfigError: The runtime is neither in the cache nor to be had from npm, or not the right one.
    """
    taken = find_runtime(runtime, narrator=narrator or Silent())
    for path in sorted((*_PAGES.iterdir(), *(_PAGES / "web").iterdir())):
        if path.is_file():
            _copy(path, folder / path.name)
    for name in check_files(bundle.folder):
        _copy(bundle.folder / name, folder / "model" / name)
    _copy(bundle.folder / "checksums.json", folder / "model" / "checksums.json")
    for source, (name, _) in _RUNTIME.items():
        _copy(taken / source, folder / "runtime" / name)
    _copy_licences(bundle, folder / "licences")
    _write_sizes(bundle, folder)
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }


def find_runtime(given: Path | None = None, *, narrator: Narrator | None = None) -> Path:
    """The folder with the files of onnxruntime-web: the given one, that of the cache, or fetched by npm into it.

    Raises:
        ConfigError: It is not there, is another version, or npm could not fetch it.
    """
    if given is not None:
        return _runtime_in(given)
    kept = cache_folder() / f"onnxruntime-web-{RUNTIME_VERSION}"
    if not any(_wrong_files(kept)):
        return kept
    (narrator or Silent()).say(f"Fetching onnxruntime-web {RUNTIME_VERSION} by npm (26 MB, once)")
    archive = _pack()
    kept.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
        for name in _RUNTIME:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None  # the archive has the right hash
            write_atomically(kept / name, member.read())
    return kept


def _runtime_in(given: Path) -> Path:
    places = (given, given / "dist", given / "package" / "dist", given / "node_modules" / "onnxruntime-web" / "dist")
    for place in places:
        if all((place / name).is_file() for name in _RUNTIME):
            if wrong := ", ".join(_wrong_files(place)):
                raise ConfigError(
                    f"--runtime: {place} holds another version than onnxruntime-web {RUNTIME_VERSION} ({wrong}). "
                    f"Get that one: npm pack onnxruntime-web@{RUNTIME_VERSION}, unpack it, and give its folder."
                )
            return place
    raise ConfigError(
        f"--runtime: {given} does not hold {' and '.join(_RUNTIME)} of onnxruntime-web {RUNTIME_VERSION}."
    )


def _wrong_files(folder: Path) -> list[str]:
    """Files of the runtime that are missing in a folder or are not what they should be."""
    return [name for name, (_, sha256) in _RUNTIME.items() if _sha256(folder / name) != sha256]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _pack() -> bytes:
    """The package's archive, by npm as the user has set it up (registry, proxy)."""
    ways = (
        "Either install npm (it comes with Node.js) and connect to the network once, or fetch it elsewhere by "
        f"`npm pack onnxruntime-web@{RUNTIME_VERSION}`, unpack it, and give its folder by --runtime FOLDER."
    )
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError(f"--to web needs onnxruntime-web {RUNTIME_VERSION}, and there is no npm to fetch it. {ways}")
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", f"onnxruntime-web@{RUNTIME_VERSION}", "--pack-destination", scratch]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, timeout=_NPM_S, check=False)
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"no answer within {_NPM_S} seconds"]
        archives = list(Path(scratch).glob("*.tgz"))
        if not archives:
            reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "no reason given")
            raise ConfigError(f"npm could not fetch onnxruntime-web {RUNTIME_VERSION} ({reason}). {ways}")
        content = archives[0].read_bytes()
    if not _has_integrity(content, RUNTIME_INTEGRITY):
        raise ConfigError(
            f"What npm fetched as onnxruntime-web {RUNTIME_VERSION} is not that package: its SHA-512 differs. Ask "
            "whoever runs your npm registry, or give the package by --runtime FOLDER."
        )
    return content


def _has_integrity(content: bytes, integrity: str) -> bool:
    algorithm, _, digest = integrity.partition("-")
    try:
        return hashlib.new(algorithm, content).digest() == base64.b64decode(digest)
    except binascii.Error:
        return False


def _copy_licences(bundle: Bundle, folder: Path) -> None:
    """Licences of the runtime (those of its Python package, which is the same program) and names of the networks'."""
    for path in files_of_package("onnxruntime") or []:
        if path.name in ("LICENSE", "ThirdPartyNotices.txt"):
            _copy(Path(str(path.locate())), folder / f"onnxruntime-{path.stem}.txt")
    lines = [f"{name}: {licence}\n" for name, licence in bundle.info.licences.items()]
    write_atomically(folder / "networks.txt", "".join(lines))


def _write_sizes(bundle: Bundle, folder: Path) -> None:
    """How much the page loads, for its progress, and how much that is on disk and compressed, for whoever hosts it."""
    loaded = ["runtime/ort.wasm", "model/bundle.json", *(f"model/{row.file}" for row in bundle.info.networks)]
    loaded += [f"model/{row.weights}" for row in bundle.info.heads]
    if bundle.info.decisions.unfamiliar is not None:
        loaded.append(f"model/{bundle.info.decisions.unfamiliar.file}")
    n_bytes = sum((folder / name).stat().st_size for name in loaded)
    write_atomically(folder / "files.json", json.dumps({"bytes": n_bytes}) + "\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    # Networks are numbers that hardly compress; the rest of what is loaded does.
    saved = sum(
        len(content) - len(zlib.compress(content, 6)) for name in loaded for content in [(folder / name).read_bytes()]
    )
    values = {"size": f"{size / 1e6:.0f}", "download": f"{(n_bytes - saved) / 1e6:.0f}", "version": RUNTIME_VERSION}
    _fill(folder / _HOSTING, values)


def _fill(path: Path, values: Mapping[str, str]) -> None:
    text = path.read_text("utf-8")
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    write_atomically(path, text)


def _copy(source: Path, target: Path) -> None:
    # Written anew and not linked: whoever changes the page must not change the bundle or the package.
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
