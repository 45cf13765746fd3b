"""Graft points: where in a network training begins, and which parameters follow.

Everything is in running order: the order in which an exported graph first uses parameters, which is right for branches
and skip connections where the order of modules is not. Names are those in the network of timm or torchvision.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from torch import fx, nn

from photograft.errors import ConfigError

PREFIX = "trunk.network."
"""Where an embedder keeps the network."""

HIDDEN = "hidden"
"""Where a network keeps its hidden layers, which are no block of it."""

_BIG = 0.01
"""Share of the parameters from which on a part counts when blocks are looked for."""
_FEWEST_BLOCKS = 3
_SUGGESTIONS = 3


@dataclass(frozen=True)
class Part:
    """A graft point and what it trains: the names of the parameters, in running order, that are first used from it on.

    `cut` is the module that training begins with, "" where nothing is frozen and "head" where nothing trains.
    """

    point: str
    cut: str
    trainable: tuple[str, ...]


@dataclass(frozen=True)
class NamedPoint:
    """A graft point for people: the module that training begins with, and how many of the parameters train."""

    point: str
    cut: str
    parameters: int
    fraction: float


@dataclass(frozen=True)
class RunningOrder:
    """When a network first uses its parameters, and first runs its modules: positions in its graph."""

    parameters: Mapping[str, int]
    modules: Mapping[str, int]

    def start(self, module: str) -> int | None:
        """When a module, or what is in it, first uses a parameter; without any, when it first runs; None if never."""
        inside = [at for name, at in self.parameters.items() if name.startswith(f"{module}.")]
        return min(inside) if inside else self.modules.get(module)


def running_order(graph: fx.Graph) -> RunningOrder:
    """The order of an exported embedder, in which what the embedding does not need is left out."""
    position = {node: at for at, node in enumerate(graph.nodes)}
    first: dict[str, int] = {}
    modules: dict[str, int] = {}
    for node, at in position.items():
        if node.op == "get_attr" and node.target.startswith(PREFIX) and node.users:
            first[node.target.removeprefix(PREFIX)] = min(position[user] for user in node.users)
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            if path.startswith(PREFIX):
                modules.setdefault(path.removeprefix(PREFIX), at)
    return RunningOrder(dict(sorted(first.items(), key=lambda item: item[1])), modules)


def find_part(point: str, network: nn.Module, order: RunningOrder) -> Part:
    """What `point` trains.

    Raises:
        ConfigError: The network has no such layer, not so many blocks, or nothing that trains from there on.
    """
    parameters = _only_parameters(network, order)
    if point in ("all", "scratch"):
        return Part(point, "", tuple(parameters))
    if point == "head":
        return Part(point, "head", ())
    kind, _, value = point.partition(":")
    blocks = find_blocks(network, order)
    if kind == "layer":
        cut = value
    else:
        n = 1 if point == "last-block" else int(value)
        if n > len(blocks):
            raise ConfigError(
                f"model.graft: this network has {len(blocks)} blocks ({', '.join(blocks)}), not {n}; "
                f"the most is blocks:{len(blocks)}, and `all` trains everything"
            )
        cut = blocks[-n]
    start = _start(cut, network, order)
    trainable = tuple(name for name, at in parameters.items() if at >= start)
    if not trainable:
        raise ConfigError(f"model.graft: nothing with weights follows layer {cut}; `head` trains the head alone")
    return Part(point, cut, trainable)


def named_points(network: nn.Module, order: RunningOrder) -> list[NamedPoint]:
    """Every point that has a name of its own, from the head to all."""
    sizes = {name: network.get_parameter(name).numel() for name in _only_parameters(network, order)}
    n = len(find_blocks(network, order))
    points = ["head", "last-block", *(f"blocks:{i}" for i in range(2, n + 1)), "all"]
    parts = [find_part(point, network, order) for point in points]
    counts = [sum(sizes[name] for name in part.trainable) for part in parts]
    return [
        NamedPoint(part.point, part.cut, count, round(count / sum(sizes.values()), 4))
        for part, count in zip(parts, counts, strict=True)
    ]


def find_blocks(network: nn.Module, order: RunningOrder) -> list[str]:
    """Names of the blocks, in running order.

    From the network down, the largest part that is made of parts is opened until at least three of its parts hold 1 %
    of the parameters each. Single layers beside the blocks (a stem, a last norm) are none; where there are no others,
    every layer with weights is a block.
    """
    parameters = (name for name in _only_parameters(network, order) if not _is_hidden(name))
    sizes = {name: network.get_parameter(name).numel() for name in parameters}
    total, container = sum(sizes.values()), ""
    while True:
        module = network.get_submodule(container)
        names = [f"{container}.{own}".lstrip(".") for own, _ in module.named_children()]
        weight = {name: _inside(sizes, name) for name in names if any(network.get_submodule(name).children())}
        blocks = [name for name in names if weight.get(name)]
        if sum(weight[name] >= _BIG * total for name in blocks) >= _FEWEST_BLOCKS:
            break
        if not blocks:
            blocks = list(dict.fromkeys(name.rpartition(".")[0] for name in sizes if "." in name))
            break
        container = max(blocks, key=lambda name: weight[name])
    starts = {name: order.start(name) for name in blocks}
    return sorted(blocks, key=lambda name: starts[name] or 0)


def group_by_block(part: Part, network: nn.Module, order: RunningOrder) -> dict[str, tuple[str, ...]]:
    """The trainable parameters by block in running order; those before the first block are named "stem".

    What follows a block and is none itself belongs to it, and so does what is left of the block that is cut. Hidden
    layers are a block of their own, the last one.
    """
    starts = {name: order.start(name) or 0 for name in find_blocks(network, order)}
    groups: dict[str, list[str]] = {}
    for name in part.trainable:
        before = [block for block, at in starts.items() if at <= order.parameters[name]]
        block = HIDDEN if _is_hidden(name) else before[-1] if before else "stem"
        groups.setdefault(block, []).append(name)
    return {block: tuple(names) for block, names in groups.items()}


def layers_of(network: nn.Module, order: RunningOrder) -> list[str]:
    """Names that `layer:` takes, in running order."""
    starts = {name: order.start(name) for name, _ in network.named_modules() if name}
    found = {name: at for name, at in starts.items() if at is not None}
    return sorted(found, key=lambda name: found[name])


def _is_hidden(name: str) -> bool:
    return name.startswith(f"{HIDDEN}.")


def _only_parameters(network: nn.Module, order: RunningOrder) -> dict[str, int]:
    """Positions of parameters, without buffers."""
    own = {name for name, _ in network.named_parameters()}
    return {name: at for name, at in order.parameters.items() if name in own}


def _inside(sizes: Mapping[str, int], module: str) -> int:
    return sum(size for name, size in sizes.items() if name.startswith(f"{module}."))


def _start(cut: str, network: nn.Module, order: RunningOrder) -> int:
    start = order.start(cut)
    if start is not None:
        return start
    names = layers_of(network, order)
    if any(name == cut for name, _ in network.named_modules()):
        raise ConfigError(f"model.graft: layer {cut} of this network is not used for the embedding; choose another one")
    close = difflib.get_close_matches(cut, names, n=_SUGGESTIONS)
    hint = f"Did you mean {' or '.join(f'layer:{name}' for name in close)}? " if close else ""
    raise ConfigError(
        f"model.graft: this network has no layer {cut!r}. {hint}"
        "`photograft backbones show NAME --json` lists all layers of a network"
    )
