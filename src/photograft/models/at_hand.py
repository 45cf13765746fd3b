"""Whether the weights of a network seem to be on this machine, without asking its library: that takes seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from photograft.models.catalogue import find_packaged, is_library_name
from photograft.models.facts import facts_file, read_facts, torch_folder


def weights_seem_here(name: str, cache_dir: Path) -> bool:
    """Whether there are pretrained weights for the network of that name.

    Of a network of timm or torchvision that was never looked up, folders and files are judged by their names. What
    photograft builds by its sizes comes without weights.
    """
    packaged = find_packaged(name)
    if packaged is not None:
        return importlib.util.find_spec(packaged.module) is not None
    if not is_library_name(name):
        return False
    if facts_file(name, cache_dir).is_file():
        return read_facts(name, cache_dir).find_weights() is not None
    library, _, architecture = name.partition(":")
    if library == "torchvision":
        return any(torch_folder().glob(f"{architecture}-*.pth"))
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub.constants import HF_HUB_CACHE

    tagged = architecture if "." in architecture else f"{architecture}.*"
    return any(Path(HF_HUB_CACHE).glob(f"models--timm--{tagged}/snapshots/*/*"))
