"""Build the bundle of a run beside its final place, and move it there when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
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
    DecisionsRow,
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
from photograft.values import FloatArray

if TYPE_CHECKING:
    from photograft.workflow.composition import Composition
    from photograft.workflow.finish import Trained
    from photograft.workflow.members import Member


@dataclass(frozen=True)
class Model:
    """What a member predicts with: an exported network, and per target a linear head on its embedding.

    `cut` is the graft point; `batchnorm` is "moved" where its statistics were trained too.
    """

    network: Path
    network_id: str
    weights_sha256: str
    outputs: Outputs
    heads: tuple[LinearHead, ...]
    cut: str = "head"
    batchnorm: Literal["frozen", "moved"] = "frozen"


class BundleInProgress:
    """A bundle that can be read, but has no golden outputs and no test result yet.

    `embeddings` are the members' features of all photos, by the ids of the networks that they come from; `owners` are
    these ids by the names of the members, of those that have a say.
    """

    embeddings: dict[str, FloatArray]
    owners: dict[str, str]

    def __init__(self, run: RunFolder, trained: Trained, composition: Composition) -> None:
        self.folder = run.path / ".model"
        self._run, self._trained, self._composition = run, trained, composition
        self._pictures = draw_golden_pictures()
        self.replace([member.model for member in trained.members])

    def read(self) -> Bundle:
        """The bundle as it is now."""
        return read_bundle(self.folder)

    def replace(self, models: Sequence[Model]) -> None:
        """Ship these models of the members, which may be others than those that were tested."""
        draft = _Draft(self._trained, self._composition)
        for member, model in zip(self._trained.members, models, strict=True):
            draft.add(member, model)
        self._info, self.embeddings, self.owners = draft.info(), draft.embeddings, draft.owners
        shutil.rmtree(self.folder, ignore_errors=True)
        write_bundle(
            self.folder, self._info, networks=draft.network_files, heads=draft.head_files, files=self._pictures
        )

    @property
    def first_network(self) -> str:
        """The id of the network that tells unfamiliar photos."""
        return self._info.networks[0].id

    def decide(self, decisions: DecisionsRow, files: Mapping[str, bytes]) -> None:
        """Add when a photo is unsure or unfamiliar: behind `replace`, since the file belongs to a network."""
        for name, content in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / name, content)
        self._info = self._info.model_copy(update={"decisions": decisions})
        seal_bundle(self.folder, self._info)

    def finish(self, *, tested: dict[str, Any]) -> None:
        """Write golden outputs, test result and model card, and move the bundle to its place."""
        with Classifier(self.read()) as classifier:
            golden = play_golden(classifier, self._pictures)
        card = model_card(run=self._run.path.name, info=self._info, tested=tested)
        write_atomically(self.folder / "README.md", card)
        seal_bundle(self.folder, self._info.model_copy(update={"golden": golden, "tested": tested}))
        self.folder.rename(self._run.model)


@contextmanager
def ship_bundle(run: RunFolder, trained: Trained, composition: Composition) -> Iterator[BundleInProgress]:
    """Build the bundle; whatever stops the work on the way leaves no half of it."""
    bundle = BundleInProgress(run, trained, composition)
    try:
        yield bundle
    finally:
        shutil.rmtree(bundle.folder, ignore_errors=True)


class _Draft:
    """The rows of bundle.json, member by member; what several members share is there once."""

    def __init__(self, trained: Trained, composition: Composition) -> None:
        self._trained, self._composition = trained, composition
        self._contracts: dict[str, ContractRow] = {}
        self._networks: dict[str, NetworkRow] = {}
        self._views: dict[str, ViewRow] = {}
        self._heads: dict[str, HeadRow] = {}
        self._members: dict[str, list[MemberRow]] = {row.name: [] for row in composition.rows}
        self._licences: dict[str, str] = {}
        self._n_members = dict.fromkeys(self._members, 0)
        self._names: dict[tuple[object, ...], str] = {}
        self._only = sum(len(member.targets) for member in trained.members) == 1
        self.embeddings: dict[str, FloatArray] = {}
        self.owners: dict[str, str] = {}
        self.network_files: dict[str, Path] = {}
        self.head_files: dict[str, tuple[FloatArray, FloatArray]] = {}

    def add(self, member: Member, model: Model) -> None:
        """The rows of a member; heads of weight 0 say nothing, and a network without heads is not needed."""
        for target, head in zip(member.targets, model.heads, strict=True):
            weight = self._composition.weights[target.name][self._n_members[target.name]]
            self._n_members[target.name] += 1
            if weight == 0:
                continue
            network = self.owners[member.name] = self._add_network(member, model)
            name = "head" if self._only else f"head-{len(self._heads) + 1}"
            file = f"heads/{name}.safetensors"
            self._heads[name] = HeadRow(id=name, network=network, weights=file, kind=target.kind)
            self.head_files[file] = (head.weight_DK, head.bias_K)
            self._members[target.name].append(MemberRow(head=name, weight=weight))

    def info(self) -> BundleInfo:
        """The content of bundle.json."""
        data = self._trained.config.data
        read = data.model_dump(mode="json", include={"labels", "boxes", "box_choice", "margin"})
        targets = [_with_members(row, self._members[row.name]) for row in self._composition.rows]
        return BundleInfo(
            format=1,
            licences=self._licences,
            inputs=read | {"limits": data.model_dump(mode="json", include={"max_file_mb", "timeout_s"})},
            contracts=tuple(self._contracts.values()),
            networks=tuple(self._networks.values()),
            views=tuple(self._views.values()),
            heads=tuple(self._heads.values()),
            targets=tuple(targets),
            joint=self._composition.joint,
            tested={},
        )

    def _add_network(self, member: Member, model: Model) -> str:
        """The id of the member's network: one for each network, contract and views."""
        backbone, contract = member.backbone, member.contract
        key = (model.network_id, contract.id, member.views)
        if key in self._names:
            return self._names[key]
        name = model.network_id
        if name in self._networks:
            name = f"{name}-{len(self._networks) + 1}"
        stem = f"networks/{backbone.file_name}-{member.px}"
        file = f"{stem}.onnx" if f"{stem}.onnx" not in self.network_files else f"{stem}-{len(self._networks) + 1}.onnx"
        self._names[key] = name
        self.embeddings[name] = member.table.embedding_ND
        self._networks[name] = NetworkRow(
            id=name,
            file=file,
            sha256=hash_file(model.network),
            contract=contract.id,
            cut=model.cut,
            outputs=_outputs(model),
            source={"name": backbone.name, "weights_sha256": model.weights_sha256, "licence": backbone.licence},
            batchnorm=model.batchnorm,
        )
        flip = any(view.endswith("-flipped") for view in member.views)
        self._views[name] = ViewRow(network=name, crops=member.config.input.crops, flip=flip)
        self._contracts[contract.id] = ContractRow(id=contract.id, contract=contract)
        self._licences[backbone.name] = backbone.licence
        self.network_files[file] = model.network
        return name


def _with_members(row: TargetRow, members: Sequence[MemberRow]) -> TargetRow:
    return row.model_copy(update={"members": tuple(members)})


def _outputs(model: Model) -> dict[str, Any]:
    """What the network gives; a vision transformer has no feature map."""
    outputs, shape = {"embedding": model.outputs.embedding}, model.outputs.feature_map
    return outputs if shape is None else {**outputs, "feature_map": list(shape)}
