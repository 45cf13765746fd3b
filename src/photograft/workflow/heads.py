"""Head packs for the user: written from a bundle, made into a bundle again, listed."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from photograft.data.files import printable
from photograft.errors import ConfigError, IntegrityError, ModelError, PhotograftError
from photograft.inference.classifier import Classifier
from photograft.inference.golden import draw_golden_pictures, golden_pictures, replay_golden
from photograft.inference.heads import head_name
from photograft.models.bundle import PACK_ENDING, Bundle, find_bundle, parse_info, read_bundle, write_bundle
from photograft.models.bundle_checks import contradictions
from photograft.models.bundle_rows import BundleInfo
from photograft.models.decisions import familiar_file
from photograft.models.packs import Pack, backbone_key, files_meant, is_pack, pack_content, read_pack, stand_on
from photograft.tracking.atomic import write_atomically
from photograft.tracking.run_folder import name_stem

SMALL_BYTES = 200_000
"""What a pack is meant to stay below."""

_PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class ExportedPack:
    """A pack that was written: `familiar_bytes` of it tell unfamiliar photos, 0 where it cannot tell them.

    `tuned` says that its network was tuned on the classes, so that only bundles of the same run have it.
    """

    path: Path
    name: str
    size_bytes: int
    familiar_bytes: int
    tuned: bool


@dataclass(frozen=True)
class AddedHead:
    """A bundle made of a pack: how many golden pictures it replayed, and their largest difference."""

    bundle: Path
    name: str
    classes: tuple[str, ...]
    n_golden: int
    max_difference: float


@dataclass(frozen=True)
class ListedHead:
    """A pack or a bundle as it was found: `tested` is its score where it has one."""

    path: Path
    name: str
    kind: Literal["pack", "bundle"]
    info: BundleInfo
    size_bytes: int

    @property
    def tested(self) -> Mapping[str, Any]:
        """What the bundle says of its test; empty where it was not tested."""
        return self.info.tested


@dataclass(frozen=True)
class HeadGroup:
    """What stands on the same networks; `one_pass` says whether a server needs to run them only once for all."""

    heads: tuple[ListedHead, ...]
    one_pass: bool


def export_heads(path: _PathLike, *, to: _PathLike | None = None, familiar: bool = True) -> ExportedPack:
    """Write the head pack of a run or bundle: everything but the network, which other bundles have too.

    `to` is the file, or a folder for it; by default it is named after the run and lies in the working directory.
    Without `familiar` it is smaller, and calls no photo unfamiliar.

    Raises:
        ModelError: There is no bundle, or its network is that of no other one.
        ConfigError: The file cannot be written, or is something else already.
    """
    folder = find_bundle(Path(path))
    bundle = read_bundle(folder)
    if not bundle.info.golden:
        raise ModelError(f"{folder} holds no golden outputs, so nothing could tell whether its pack works elsewhere.")
    name = head_name(folder)
    target = Path(to) if to is not None else Path()
    if target.is_dir():
        target /= f"{name_stem(name) or 'heads'}{PACK_ENDING}"
    if target.exists() and not is_pack(target):
        raise ConfigError(f"--to: {target} is there already, and is no head pack; choose another name.")
    content = pack_content(bundle, name=name, familiar=familiar)
    try:
        write_atomically(target, content)
    except OSError as error:
        raise ConfigError(f"--to: {target} cannot be written ({error.strerror or error}).") from error
    told = bundle.familiar if familiar else None
    return ExportedPack(
        target,
        name,
        len(content),
        0 if told is None else len(familiar_file(told)),
        any(row.cut != "head" for row in bundle.info.networks),
    )


def add_heads(base: _PathLike, pack: _PathLike, *, to: _PathLike) -> AddedHead:
    """Make a bundle of a pack and the network of a run or bundle, which is hard-linked; `to` is its folder.

    Raises:
        ModelError: The pack is damaged, does not fit the network, or says something else on it than where it was made.
        ConfigError: The folder is there already, or cannot be written.
    """
    read, own = read_pack(Path(pack)), read_bundle(Path(base))
    target = Path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"--to: {target} is there already; name a folder that is not.")
    standing = stand_on(read.bundle, own, path=read.path)
    temporary = target.parent / f".{uuid.uuid4().hex[:8]}.tmp"
    try:
        (temporary / "decisions").mkdir(parents=True)
        _write(temporary, standing, _pictures(read, own), read)
        with Classifier(read_bundle(temporary), workers=1) as classifier:
            n_golden, largest, problems = replay_golden(classifier)
        if problems:
            raise ModelError(f"{pack} says something else on {base} than where it was made: {'; '.join(problems)}.")
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        raise ConfigError(f"--to: {target} cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return AddedHead(target, read.name, standing.classes, n_golden, largest)


def list_heads(paths: Sequence[_PathLike]) -> tuple[list[HeadGroup], list[str]]:
    """Packs and bundles of files and folders, which are searched, by what they stand on; and what cannot be read."""
    found: dict[tuple[str, ...], list[ListedHead]] = {}
    problems = []
    for path in dict.fromkeys(place for each in paths for place in _places(Path(each))):
        try:
            head = _listed(path)
        except (PhotograftError, OSError) as error:
            problems.append(printable(str(error)))
            continue
        found.setdefault(backbone_key(head.info), []).append(head)
    groups = [
        HeadGroup(tuple(heads), one_pass=len(heads) > 1 and len(heads[0].info.networks) == 1)
        for heads in found.values()
    ]
    return groups, problems


def _write(folder: Path, standing: Bundle, pictures: Mapping[str, bytes], pack: Pack) -> None:
    info = standing.info.model_copy(
        update={"golden": tuple(row for row in standing.info.golden if row.file in pictures)}
    )
    files = dict(pictures)
    if pack.card:
        files["README.md"] = pack.card.encode("utf-8", "surrogatepass")
    told = info.decisions.unfamiliar
    if told is not None and standing.familiar is not None:
        files[told.file] = familiar_file(standing.familiar)
    else:
        (folder / "decisions").rmdir()
    heads = {row.weights: (standing.heads[row.id].weight_DM, standing.heads[row.id].bias_M) for row in info.heads}
    write_bundle(
        folder, info, networks={row.file: standing.folder / row.file for row in info.networks}, heads=heads, files=files
    )


def _pictures(pack: Pack, base: Bundle) -> dict[str, bytes]:
    """The golden pictures of the pack: its own, and what the base has or can be drawn, where it is the same."""
    known = {hashlib.sha256(each).hexdigest(): each for each in draw_golden_pictures().values()}
    known |= {hashlib.sha256(each).hexdigest(): each for each in golden_pictures(base).values()}
    others = {name: known[sha256] for name, sha256 in pack.sums.items() if sha256 in known}
    return others | pack.pictures


def _places(path: Path) -> Iterator[Path]:
    """Packs, runs and bundle folders at a path and below it, in the order of their names."""
    if not path.exists():
        raise ConfigError(f"{path} does not exist; name packs, runs, bundles, or folders to be searched for them.")
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        if "bundle.json" in names:
            yield here
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        packs = (here / name for name in sorted(names) if name.endswith(".safetensors") and not name.startswith("."))
        yield from (pack for pack in packs if is_pack(pack))


def _listed(path: Path) -> ListedHead:
    """A pack, or a bundle by its bundle.json alone: `verify` is what compares all of its files."""
    if path.is_file():
        pack = read_pack(path)
        return ListedHead(path, head_name(path), "pack", pack.bundle.info, path.stat().st_size)
    file = path / "bundle.json"
    info = parse_info(file.read_bytes(), file)
    if wrong := list(contradictions(info, files_meant(info))):
        raise IntegrityError(f"{file} contradicts itself: {'; '.join(wrong)}.")
    n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return ListedHead(path, head_name(path), "bundle", info, n_bytes)
