"""`export`: a bundle as files that other programs open, each compared with the bundle before it is there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from photograft.data.files import printable
from photograft.errors import ConfigError
from photograft.features.engine_onnx import open_session
from photograft.inference.classifier import Classifier
from photograft.models.bundle import Bundle, find_bundle, read_bundle
from photograft.models.export_card import export_card
from photograft.models.export_metadata import PROBABILITIES, require_one_contract
from photograft.tracking.atomic import write_atomically
from photograft.values import FloatArray, PixelArray
from photograft.workflow.explain import run_of
from photograft.workflow.export_photos import choose_photos
from photograft.workflow.export_verification import Candidate, Run, calibration_pixels, verify_export
from photograft.workflow.narrator import Narrator, Silent

Form = Literal["onnx", "onnx-int8", "openvino", "timm", "web"]
FORMS: tuple[Form, ...] = ("onnx", "onnx-int8", "openvino", "timm", "web")

RECORD = "export.json"
"""What was verified, in every export: by it a folder is known to be one, which may be replaced. Names no place."""


@dataclass(frozen=True)
class Exported:
    """An export: its folder, and what was found when it was compared with the bundle (None where its form does it)."""

    folder: Path
    form: Form
    document: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As `photograft export --json` prints it."""
        return {"export": printable(str(self.folder)), **self.document}


def export(
    model: str | os.PathLike[str],
    to: Form,
    *,
    out: str | os.PathLike[str] | None = None,
    photos: Sequence[str] = (),
    runtime: str | os.PathLike[str] | None = None,
    force: bool = False,
    narrator: Narrator | None = None,
) -> Exported:
    """Export the model of a run or bundle into a folder, verified on golden pictures and photos.

    Args:
        model: The folder of a run or of a bundle.
        to: `onnx`, one file from pixels to probabilities; `onnx-int8`, the same in 8 bits; `openvino`; `timm`, a folder
            that timm opens; `web`, a page that classifies in the browser.
        out: The folder, by default named after the model and the form.
        photos: A labelled folder, archive or table, or any photos; by default those of the run.
        runtime: For `web`: where the browser's runtime is, if not in the usual place.
        force: Replace an older export.
        narrator: Who is told how far it is.

    Raises:
        ConfigError: The folder is there already, or a part that this form needs is not installed.
        DataError: The photos cannot be used.
        ModelError: The bundle cannot be exported in this form, or the export does not do what the bundle does.
    """
    narrator, path = narrator or Silent(), Path(model)
    if to not in FORMS:
        raise ConfigError(f"--to: {to!r} is none of {', '.join(FORMS)}.")
    if to == "web" and photos:
        raise ConfigError(
            "--photos: the page runs the model's own networks, and is compared with nothing; leave it out."
        )
    if to != "web" and runtime is not None:
        raise ConfigError("--runtime: only --to web takes a runtime of the browser; leave it out.")
    bundle = read_bundle(path)
    if to != "web":
        require_one_contract(bundle)
    _require_parts(to)
    folder = Path(out) if out is not None else Path(f"{_name_of(path)}-{to}")
    with _whole_folder(folder, force=force) as temporary:
        if to == "web":
            from photograft.workflow.export_web import export_web

            export_web(bundle, temporary, runtime=None if runtime is None else Path(runtime), narrator=narrator)
            document: dict[str, Any] = {}
        else:
            document = _export_files(path, bundle, to, temporary, photos, narrator)
        card = export_card(run=_name_of(path), info=bundle.info, form=to, document=document)
        write_atomically(temporary / "README.md", card)
        document = {"to": to, "bundle": printable(str(bundle.folder)), **document, "files": _sizes(temporary)}
        write_atomically(temporary / RECORD, _record(document, name=_name_of(path)))
    return Exported(folder, to, document)


def _record(document: Mapping[str, Any], *, name: str) -> str:
    """What stays with the export, which others get to see: nothing of where things lie on this machine."""
    kept = {key: value for key, value in document.items() if key != "notes"} | {"bundle": printable(name)}
    return json.dumps(kept, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _export_files(
    model: Path, bundle: Bundle, to: Form, folder: Path, given: Sequence[str], narrator: Narrator
) -> dict[str, Any]:
    """Write the files of a form and compare them with the bundle; gives what was found."""
    with ExitStack() as stack:
        photos = choose_photos(model, bundle, given, stack, calibrate=to == "onnx-int8")
        for note in photos.notes:
            narrator.say(f"Note: {note}")
        classifier = stack.enter_context(Classifier(bundle))
        n_calibration = 0
        if to == "onnx-int8":
            pixels_NHWC = calibration_pixels(classifier, photos.calibration)
            n_calibration = len(pixels_NHWC)
            narrator.say(f"Calibrating on {n_calibration} photos")
            candidates = _write_int8(bundle, folder, pixels_NHWC)
        elif to == "onnx":
            candidates = _write_onnx(bundle, folder)
        elif to == "openvino":
            candidates = _write_openvino(bundle, folder)
        else:
            candidates = _write_timm(model, bundle, folder)
        found = verify_export(classifier, candidates, photos.compared, narrator)
    calibration = {"what": photos.calibration.what, "n": n_calibration} if photos.calibration else None
    return {**found, "calibration": calibration, "notes": list(photos.notes)}


def _require_parts(to: Form) -> None:
    """Say which extra is missing before any work is done."""
    from photograft.models.export_onnx import require_onnx
    from photograft.models.export_openvino import require_openvino

    if to == "openvino":
        require_openvino()
    if to in ("onnx", "onnx-int8", "openvino"):
        require_onnx(f"--to {to}")


def _write_onnx(bundle: Bundle, folder: Path) -> list[Candidate]:
    from photograft.models.export_onnx import fuse

    return [_onnx_candidate(folder, fuse(bundle).SerializeToString(), "onnx", exact=True)]


def _write_int8(bundle: Bundle, folder: Path, pixels_NHWC: PixelArray) -> list[Candidate]:
    from photograft.models.export_int8 import quantise
    from photograft.models.export_onnx import fuse

    return [_onnx_candidate(folder, quantise(fuse(bundle), pixels_NHWC), "onnx-int8", exact=False)]


def _onnx_candidate(folder: Path, content: bytes, name: str, *, exact: bool) -> Candidate:
    file = folder / "model.onnx"
    file.write_bytes(content)
    session = open_session(file)
    names = [output.name for output in session.get_outputs()]

    def run(pixels_NHWC: PixelArray) -> dict[str, FloatArray]:
        return dict(zip(names, session.run(names, {"pixels": pixels_NHWC}), strict=True))

    return Candidate(name, run, len(content), exact)


def _write_openvino(bundle: Bundle, folder: Path) -> list[Candidate]:
    from photograft.models.export_onnx import fuse
    from photograft.models.export_openvino import can_bf16, open_openvino, write_openvino

    write_openvino(fuse(bundle), folder)
    size = sum((folder / f"model.{ending}").stat().st_size for ending in ("xml", "bin"))
    found = [Candidate("openvino, 32 bits", open_openvino(folder), size, exact=True)]
    if can_bf16():
        found.append(Candidate("openvino, bf16", open_openvino(folder, bf16=True), size, exact=False))
    return found


def _write_timm(model: Path, bundle: Bundle, folder: Path) -> list[Candidate]:
    from photograft.workflow.export_timm import timm_parts

    parts = timm_parts(bundle, run_of(model))
    from photograft.models.export_timm import open_timm, write_timm  # torch, which takes seconds

    write_timm(parts, folder)
    network: Callable[[PixelArray], FloatArray] = open_timm(folder, several=bundle.several)
    run: Run = lambda pixels_NHWC: {PROBABILITIES: network(pixels_NHWC)}  # noqa: E731
    return [Candidate("timm", run, (folder / "model.safetensors").stat().st_size, exact=True)]


@contextmanager
def _whole_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; when the block ends well it becomes `folder`, else it is removed."""
    if folder.exists() or folder.is_symlink():
        if not force:
            raise ConfigError(f"--out: {folder} is there already; --force replaces an older export.")
        if not (folder / RECORD).is_file() or folder.is_symlink():
            raise ConfigError(f"--force: {folder} is no export (it holds no {RECORD}), and is not replaced.")
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    temporary = scratch / "new"
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            folder.rename(scratch / "old")
        try:
            temporary.rename(folder)
        except OSError:
            if (scratch / "old").exists():  # else it would go with the rest
                (scratch / "old").rename(folder)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _name_of(model: Path) -> str:
    """What the run is called, or the folder of a bundle on its own."""
    folder = find_bundle(model).resolve()
    return folder.parent.name if folder.name == "model" else folder.name
