"""What embeds the photos of an index: the network of a run or bundle, or a backbone by its name."""

from __future__ import annotations

from pathlib import Path

from photograft.contract import make_contract, picture_px
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, ModelError
from photograft.models.bundle import Bundle, read_bundle
from photograft.models.catalogue import find_backbone, find_packaged, is_library_name, is_run_name
from photograft.models.networks import ensure_network, is_intact, network_file, read_outputs
from photograft.models.own_names import is_own_name
from photograft.retrieval.store import NetworkOfIndex, StoredFile
from photograft.tracking.cache import cache_folder
from photograft.workflow.narrator import Narrator

_PX = 224
_HEAD = "head"


def network_of_model(model: str, narrator: Narrator, *, px: int | None = None) -> tuple[Path, NetworkOfIndex]:
    """The network of a run or bundle folder, or of a backbone by its name at `px` (224 by default).

    Gives its file, and what an index says of it.

    Of a bundle of several networks the first one embeds. A backbone sees the whole photo once, stretched to a square.

    Raises:
        ModelError: There is no such model, or it is damaged.
        ConfigError: `px` is given for a run or bundle, which has its own.
    """
    path = Path(model)
    names_one = find_packaged(model) is not None or is_library_name(model) or is_run_name(model) or is_own_name(model)
    if path.exists() or not names_one:
        if not path.exists():
            raise ModelError(
                f"{model} is no run, no bundle and no backbone: give a folder (runs/...), or one of the names that "
                "`photograft backbones list` shows."
            )
        if px is not None:
            raise ConfigError(f"--px: {model} comes with the size that it was trained with; leave --px away.")
        return _of_bundle(read_bundle(path))
    return _of_backbone(model, narrator, px)


def _of_bundle(bundle: Bundle) -> tuple[Path, NetworkOfIndex]:
    row = bundle.info.networks[0]
    folder = bundle.folder.absolute()
    return bundle.networks[row.id], NetworkOfIndex(
        file=_file_in_index(row.sha256),
        # The number behind an id tells networks of a bundle apart that the cache tells apart by contract and views.
        id=row.id.partition("-")[0],
        model=folder.parent.name if folder.name == "model" else folder.name,
        size=int(row.outputs["embedding"]),
        contract=bundle.contracts[row.contract],
        views=bundle.info.views_of(row.id).names,
        tuned=row.cut != _HEAD,
        limits=dict(bundle.info.inputs.get("limits", {})),
    )


def _of_backbone(name: str, narrator: Narrator, px: int | None) -> tuple[Path, NetworkOfIndex]:
    cache_dir = cache_folder()
    backbone = find_backbone(name, cache_dir=cache_dir)
    if px is not None and backbone.fixed_px and px != backbone.own_px:
        raise ConfigError(f"--px: {name} takes {backbone.own_px} px and nothing else.")
    px = px or (backbone.own_px if backbone.fixed_px else _PX)
    kept = network_file(backbone, px=px, embedding="multi", cache_dir=cache_dir)
    if not is_intact(kept):
        narrator.say(f"Exporting {backbone.name} for {px} px to ONNX, once (about half a minute) ...")
    network = ensure_network(backbone, px=px, embedding="multi", cache_dir=cache_dir)
    return network, NetworkOfIndex(
        file=_file_in_index(hash_file(network)),
        id=backbone.network_id(px=px, embedding="multi"),
        model=name,
        size=read_outputs(network).embedding,
        contract=make_contract(picture_px(px, "whole")),
        views=("whole",),
        tuned=is_run_name(name),
        limits={},
    )


def _file_in_index(sha256: str) -> StoredFile:
    """The network under a name that its content gives it."""
    return StoredFile(f"network-{sha256[:16]}.onnx", sha256)
