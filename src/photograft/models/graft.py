"""Cut a network at a graft point: the frozen front, the trainable tail, and the values that cross between them.

The embedder is exported to a graph, and the graph is split by dependency: what depends on no trainable parameter is the
front, the rest the tail. So one mechanism serves every network and every point, also inside blocks with skip
connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import fx, nn

from photograft.errors import ConfigError, ModelError
from photograft.models.architectures import HiddenLayers
from photograft.models.backbone import Embedder
from photograft.models.networks import BoundaryValue
from photograft.models.points import (
    HIDDEN,
    PREFIX,
    NamedPoint,
    Part,
    RunningOrder,
    find_part,
    group_by_block,
    layers_of,
    named_points,
    running_order,
)
from photograft.values import Layer, Summary

_ATEN = torch.ops.aten
_TRAINING = {_ATEN.batch_norm.default: 5, _ATEN.dropout.default: 2, _ATEN.feature_dropout.default: 2}
"""Operations that are others in training, and which of their arguments says so."""
_TOLERANCE = 1e-3
"""Largest difference between the parts and the whole, in units of the largest value."""


@dataclass(frozen=True)
class Graft:
    """A network that is cut; `front` and `tail` share their tensors with the embedder that was given.

    `front` takes uint8 pixels (N, px, px, 3) and gives the boundary values as a tuple; it is None where nothing is
    frozen, and then the tail takes the pixels. `tail` takes the boundary values and gives the embedding (N, D).
    `cut` is the module that training begins with, "" where nothing is frozen. `blocks` holds the names of the
    trainable parameters, as `tail.named_parameters()` gives them, by block in running order.
    """

    point: str
    cut: str
    batchnorm: Literal["frozen", "moved"]
    front: nn.Module | None
    tail: fx.GraphModule
    boundary: tuple[BoundaryValue, ...]
    blocks: Mapping[str, tuple[str, ...]]
    px: int
    _embedder: Embedder
    _order: RunningOrder

    @property
    def trains_hidden_batchnorm(self) -> bool:
        """Whether hidden layers are trained that have BatchNorm, whose statistics move in any case."""
        return any("batchnorm" in name for name in self.blocks.get(HIDDEN, ()))

    @property
    def moves_statistics(self) -> bool:
        """Whether statistics of BatchNorm move in training, of the whole network or of hidden layers."""
        trainable = {name for names in self.blocks.values() for name in names}
        norms = (node for node in self.tail.graph.nodes if node.target is _ATEN.batch_norm.default)
        return any(self._moves(node.args[1], trainable) for node in norms)

    def set_moving(self, moving: bool) -> None:
        """Have the tail's dropout act and the statistics of its BatchNorm move with every forward pass, or neither.

        With `batchnorm` frozen only those of hidden layers move, which have seen no photo before.
        """
        trainable = {name for names in self.blocks.values() for name in names}
        changed = False
        for node in self.tail.graph.nodes:
            at = _TRAINING.get(node.target)
            if at is None:
                continue
            training = moving and (node.target is not _ATEN.batch_norm.default or self._moves(node.args[1], trainable))
            if node.args[at] != training:
                node.update_arg(at, training)
                changed = True
        if changed:
            self.tail.recompile()

    def _moves(self, weight: fx.Node | None, trainable: set[str]) -> bool:
        """Whether the statistics of the BatchNorm with this weight move in training."""
        if weight is None:
            return self.batchnorm == "moved"
        is_hidden = weight.target.startswith(f"{PREFIX}{HIDDEN}.")
        return weight.target in trainable and (is_hidden or self.batchnorm == "moved")

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor of the whole network under the names of its library, contiguous copies on the CPU."""
        tensors = dict(self._embedder.trunk.network.state_dict())
        tuned = {name.removeprefix(PREFIX): value for name, value in self.tail.state_dict().items()}
        tensors.update({name: value for name, value in tuned.items() if name in tensors})
        return {
            name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }

    def summary(self, head: Sequence[Layer], *, lr: Mapping[str, float]) -> Summary:
        """The network layer by layer, as far as the embedding needs it, then the head's layers.

        `lr` gives the highest learning rate by block.
        """
        layers = _layers(self._embedder, self._order, self.blocks, lr=lr, px=self.px)
        return Summary(self.point, self.cut, self.batchnorm, (*layers, *head))


def graft(embedder: Embedder, point: str, *, px: int, batchnorm: Literal["frozen", "moved"]) -> Graft:
    """Cut `embedder`, for photos of `px` x `px`, at `point`: head, last-block, blocks:N, layer:NAME, all or scratch.

    Parameters before the point no longer require gradients, those behind it do. `scratch` cuts like `all`: the random
    weights come from `load_embedder`. At `head` the front is the whole network and the tail gives back what it is
    given, the embedding.

    Raises:
        ConfigError: The network has no such point, or hidden layers that nobody has trained would be frozen.
        ModelError: The network cannot be exported.
    """
    module = export_graph(embedder, px=px)
    order = running_order(module.graph)
    network = embedder.trunk.network
    part = find_part(point, network, order)
    _check_hidden(part, network)
    trainable = {f"{PREFIX}{name}" for name in part.trainable}
    for name, parameter in embedder.named_parameters():
        parameter.requires_grad_(name in trainable)
    front, tail, boundary = _split(module, trainable if part.cut else None)
    _check(embedder, front, tail, px=px)
    blocks = {
        block: tuple(f"{PREFIX}{name}" for name in names)
        for block, names in group_by_block(part, network, order).items()
    }
    return Graft(point, part.cut, batchnorm, front, tail, boundary, blocks, px, embedder, order)


def graft_points(embedder: Embedder, *, px: int) -> tuple[list[NamedPoint], list[str]]:
    """The graft points of a network with what they train, and the names of layers that `layer:` takes.

    Raises:
        ModelError: The network cannot be exported.
    """
    order = running_order(export_graph(embedder, px=px).graph)
    network = embedder.trunk.network
    return named_points(network, order), layers_of(network, order)


def _check_hidden(part: Part, network: nn.Module) -> None:
    hidden = getattr(network, HIDDEN, None)
    if not isinstance(hidden, HiddenLayers) or hidden.is_trained:
        return
    if any(f"{HIDDEN}.{name}" not in part.trainable for name, _ in hidden.named_parameters()):
        raise ConfigError(
            f"model.graft: {part.point} would freeze layers of model.hidden, whose weights are random; "
            f"layer:{HIDDEN} trains them and nothing before them"
        )


def export_graph(embedder: Embedder, *, px: int) -> fx.GraphModule:
    """The embedder as a graph of single operations, from pixels to the embedding alone; the batch is dynamic.

    Operations that change a tensor in place are replaced by those that give a new one, so that the graph may be split
    anywhere.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    pixels_NHWC = torch.zeros(2, px, px, 3, dtype=torch.uint8)
    try:
        module = torch.export.export(embedder, (pixels_NHWC,), dynamic_shapes=({0: batch},)).module()
    except Exception as error:  # a network that cannot be traced raises what it likes
        first = str(error).strip().partition("\n")[0]
        raise ModelError(f"this network cannot be cut, its graph cannot be read: {first}") from error
    graph = module.graph
    for node in list(graph.nodes):
        # Checks of shapes and number types: floats, as blended pixels are, and autocast must pass.
        if node.op == "call_module" or node.target is _ATEN._assert_tensor_metadata.default:
            graph.erase_node(node)
    output = graph.output_node()
    output.update_arg(0, output.args[0][0])
    _replace_in_place(graph)
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _replace_in_place(graph: fx.Graph) -> None:
    position = {node: at for at, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        name, overload = node.target.__name__.split(".", 1)
        plain = getattr(_ATEN, name.removesuffix("_"), None)
        if not name.endswith("_") or name.endswith("__") or overload not in (plain.overloads() if plain else ()):
            continue
        changed = node.args[0]
        if _is_view(changed):  # what it shows has to change with it: masks that are filled part by part
            continue
        node.target = getattr(plain, overload)
        for user in list(changed.users):
            if position[user] > position[node]:
                user.replace_input_with(changed, node)


def _is_view(node: fx.Node) -> bool:
    target = node.target
    returns = target._schema.returns if isinstance(target, torch._ops.OpOverload) else ()
    return any(each.alias_info is not None and not each.alias_info.is_write for each in returns)


def _split(
    module: fx.GraphModule, trainable: set[str] | None
) -> tuple[fx.GraphModule | None, fx.GraphModule, tuple[BoundaryValue, ...]]:
    """Front, tail and what crosses between them; `trainable` None puts everything into the tail."""
    graph = module.graph
    embedding, pixels = graph.output_node().args[0], next(iter(graph.find_nodes(op="placeholder")))
    if trainable is None:
        whole = fx.Graph()
        copies = _copy(graph, set(graph.nodes), {}, whole)
        tail = _finish(module, whole, copies[embedding])
        return None, tail, (BoundaryValue("pixels", _shape_per_photo(pixels, pixels)),)
    moving: set[fx.Node] = set()
    fixed: set[fx.Node] = set()
    for node in graph.nodes:
        if node.target in trainable or any(each in moving for each in node.all_input_nodes):
            moving.add(node)
        elif node is pixels or any(each in fixed for each in node.all_input_nodes):
            fixed.add(node)
    # What depends on neither pixels nor trainable parameters (constants, positions) is copied to where it is needed.
    constant = set(graph.nodes) - moving - fixed
    crossing = [node for node in graph.nodes if _crosses(node, fixed, moving)] if trainable else [embedding]
    shapes = {node: _shape_per_photo(node, pixels) for node in crossing}

    front = fx.Graph()
    copies = _copy(graph, fixed | constant, {}, front)
    results = []
    for node, shape in shapes.items():
        folded = len(shape) == node.meta["val"].ndim
        value = copies[node]
        results.append(front.call_function(_ATEN.reshape.default, (value, [-1, *shape])) if folded else value)

    tail, given = fx.Graph(), {}
    placeholders = [tail.placeholder(node.name) for node in crossing]
    for node, placeholder in zip(crossing, placeholders, strict=True):
        folded = len(shapes[node]) == node.meta["val"].ndim
        given[node] = tail.call_function(_ATEN.flatten.using_ints, (placeholder, 0, 1)) if folded else placeholder
    # The size of the batch is not handed over as a value: the tail reads it off the first one.
    numbers = {node for node in fixed if isinstance(node.meta.get("val"), torch.SymInt)}
    for node in numbers:
        if node.target is _ATEN.sym_size.int:
            given[node] = tail.call_function(_ATEN.sym_size.int, (placeholders[0], 0))
    copies = _copy(graph, moving | constant | numbers, given, tail)
    boundary = tuple(BoundaryValue(f"boundary_{i}", shape) for i, shape in enumerate(shapes.values()))
    return _finish(module, front, tuple(results)), _finish(module, tail, copies[embedding]), boundary


def _shape_per_photo(node: fx.Node, pixels: fx.Node) -> tuple[int, ...]:
    """The shape of a value without the batch; where photos are cut into windows, their number stands first."""
    batch = pixels.meta["val"].shape[0]
    first, *rest = node.meta["val"].shape
    if isinstance(first, torch.SymInt):
        n_windows = first.node.expr / batch.node.expr
        if n_windows.is_Integer:
            return (*([int(n_windows)] if n_windows != 1 else []), *map(int, rest))
    raise ConfigError(
        "model.graft: the network mixes up photos at this layer, so that their values cannot be kept apart; "
        "choose a whole block (`photograft backbones show NAME`)"
    )


def _crosses(node: fx.Node, fixed: set[fx.Node], moving: set[fx.Node]) -> bool:
    is_tensor = isinstance(node.meta.get("val"), torch.Tensor)
    return is_tensor and node in fixed and any(user in moving for user in node.users)


def _copy(
    graph: fx.Graph, nodes: set[fx.Node], given: dict[fx.Node, fx.Node], into: fx.Graph
) -> dict[fx.Node, fx.Node]:
    """Copy nodes to the end of another graph, where those in `given` have stand-ins already; gives copies by node."""
    copies = dict(given)
    for node in graph.nodes:
        if node in nodes and node not in copies and node.op != "output":
            copies[node] = into.node_copy(node, lambda each: copies[each])
    return copies


def _finish(module: fx.GraphModule, graph: fx.Graph, result: Any) -> fx.GraphModule:
    graph.output(result)
    graph.eliminate_dead_code()
    return fx.GraphModule(module, graph)


def _check(embedder: Embedder, front: nn.Module | None, tail: nn.Module, *, px: int) -> None:
    """The two parts must give what the whole gives, for several photos and for one."""
    generator = torch.Generator().manual_seed(0)
    pixels_NHWC = torch.randint(0, 256, (3, px, px, 3), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        wanted_ND = embedder(pixels_NHWC)[0]
        for part_NHWC, want_ND in ((pixels_NHWC, wanted_ND), (pixels_NHWC[1:2], wanted_ND[1:2])):
            found_ND = tail(*(front(part_NHWC) if front is not None else (part_NHWC,)))
            difference = float((found_ND - want_ND).abs().max()) / max(1.0, float(want_ND.abs().max()))
            if not difference <= _TOLERANCE:
                raise ModelError(
                    f"this network cannot be cut here: its parts give another embedding ({difference:.2g} off); "
                    "choose another model.graft or another network"
                )


def _layers(
    embedder: Embedder,
    order: RunningOrder,
    blocks: Mapping[str, tuple[str, ...]],
    *,
    lr: Mapping[str, float],
    px: int,
) -> Iterator[Layer]:
    """Layers in running order. A parameter of the network itself, such as a class token, is a layer of its own."""
    network = embedder.trunk.network
    block_of = {name.removeprefix(PREFIX): block for block, names in blocks.items() for name in names}
    shapes = _output_shapes(embedder, px=px)
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    owners: dict[str, list[str]] = {}
    for name in order.parameters:
        owners.setdefault(name.rpartition(".")[0] or name, []).append(name)
    for owner, names in owners.items():
        own = [name for name in names if isinstance(tensors[name], nn.Parameter)]
        moving = [name.rpartition(".")[2] in ("running_mean", "running_var") for name in names]
        statistics = sum(tensors[name].numel() for name, is_one in zip(names, moving, strict=True) if is_one)
        if not own and not statistics:
            continue
        block = next((block_of[name] for name in own if name in block_of), None)
        yield Layer(
            name=owner,
            kind="Parameter" if owner in tensors else type(network.get_submodule(owner)).__name__,
            output=tuple(tensors[owner].shape) if owner in tensors else shapes.get(owner, ()),
            parameters=sum(tensors[name].numel() for name in own),
            statistics=statistics,
            frozen=block is None,
            lr=None if block is None else lr.get(block),
        )


def _output_shapes(embedder: Embedder, *, px: int) -> dict[str, tuple[int, ...]]:
    """What each module gives for one photo, as far as it gives one tensor."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                shapes[name] = tuple(output.shape[1:])

        return hook

    modules = embedder.trunk.network.named_modules()
    handles = [module.register_forward_hook(note(name)) for name, module in modules]
    with torch.no_grad():
        embedder(torch.zeros(1, px, px, 3, dtype=torch.uint8))
    for handle in handles:
        handle.remove()
    return shapes
