"""Build the bundle of a run beside its final place, and move it there when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from photograft.data.hashing import hash_file
from photograft.inference.classifier import Classifier
from photograft.inference.golden import draw_golden_pictures, play_golden
from photograft.models.bundle import Bundle, read_bundle, seal_bundle, write_bundle
from photograft.models.bundle_rows import (
    BundleInfo,
    ContractRow,
    HeadRow,
    MemberRow,
    NetworkRow,
    TargetRow,
    ViewRow,
)
from photograft.models.card import model_card
from photograft.models.networks import Outputs
from photograft.tracking.atomic import write_atomically
from photograft.tracking.run_folder import RunFolder
from photograft.training.linear import LinearHead

if TYPE_CHECKING:
    from photograft.workflow.finish import Trained


@dataclass(frozen=True)
class Model:
    """What a bundle predicts with: an exported network and a linear head on its embedding.

    `cut` is the graft point; `batchnorm` is "moved" where its statistics were trained too.
    """

    network: Path
    network_id: str
    weights_sha256: str
    outputs: Outputs
    head: LinearHead
    cut: str = "head"
    batchnorm: Literal["frozen", "moved"] = "frozen"


class BundleInProgress:
    """A bundle that can be read, but has no golden outputs and no test result yet."""

    def __init__(self, run: RunFolder, trained: Trained, temperature: float, positive: str | None) -> None:
        self.folder = run.path / ".model"
        self._run, self._trained, self._temperature, self._positive = run, trained, temperature, positive
        self._pictures = draw_golden_pictures()
        self.replace(trained.model)

    def read(self) -> Bundle:
        """The bundle as it is now."""
        return read_bundle(self.folder)

    def replace(self, model: Model) -> None:
        """Ship another model than the one that was tested."""
        self._info = _describe(self._trained, model, self._temperature, self._positive)
        shutil.rmtree(self.folder, ignore_errors=True)
        write_bundle(
            self.folder,
            self._info,
            networks={self._info.networks[0].file: model.network},
            heads={self._info.heads[0].weights: (model.head.weight_DK, model.head.bias_K)},
            files=self._pictures,
        )

    def finish(self, *, tested: dict[str, Any]) -> None:
        """Write golden outputs, test result and model card, and move the bundle to its place."""
        with Classifier(self.read()) as classifier:
            golden = play_golden(classifier, self._pictures)
        card = model_card(run=self._run.path.name, info=self._info, tested=tested)
        write_atomically(self.folder / "README.md", card)
        seal_bundle(self.folder, self._info.model_copy(update={"golden": golden, "tested": tested}))
        self.folder.rename(self._run.model)


@contextmanager
def ship_bundle(
    run: RunFolder, trained: Trained, temperature: float, positive: str | None
) -> Iterator[BundleInProgress]:
    """Build the bundle; whatever stops the work on the way leaves no half of it."""
    bundle = BundleInProgress(run, trained, temperature, positive)
    try:
        yield bundle
    finally:
        shutil.rmtree(bundle.folder, ignore_errors=True)


def _describe(trained: Trained, model: Model, temperature: float, positive: str | None) -> BundleInfo:
    backbone, contract, network_id = trained.backbone, trained.contract, model.network_id
    data = trained.config.data
    read = data.model_dump(mode="json", include={"labels", "boxes", "box_choice", "margin"})
    inputs = read | {"limits": data.model_dump(mode="json", include={"max_file_mb", "timeout_s"})}
    network = NetworkRow(
        id=network_id,
        file=f"networks/{backbone.file_name}-{contract.px}.onnx",
        sha256=hash_file(model.network),
        contract=contract.id,
        cut=model.cut,
        outputs=_outputs(model),
        source={"name": backbone.name, "weights_sha256": model.weights_sha256, "licence": backbone.licence},
        batchnorm=model.batchnorm,
    )
    return BundleInfo(
        format=1,
        licences={backbone.name: backbone.licence},
        inputs=inputs,
        contracts=(ContractRow(id=contract.id, contract=contract),),
        networks=(network,),
        views=(ViewRow(network=network_id, flip=len(trained.views) > 1),),
        heads=(HeadRow(id="head", network=network_id, weights="heads/head.safetensors"),),
        targets=(
            TargetRow(
                name="label",
                classes=trained.manifest.usable.classes,
                members=(MemberRow(head="head"),),
                positive=positive,
                calibration={"temperature": temperature},
            ),
        ),
        tested={},
    )


def _outputs(model: Model) -> dict[str, Any]:
    """What the network gives; a vision transformer has no feature map."""
    outputs, shape = {"embedding": model.outputs.embedding}, model.outputs.feature_map
    return outputs if shape is None else {**outputs, "feature_map": list(shape)}
