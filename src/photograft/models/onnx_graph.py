"""What of an ONNX file leads to its embedding: which maps are pooled, and the same file with those maps as outputs.

ONNX files are Protocol Buffers. A few fields are read here and one is appended, so that a bundle needs no further
package for it: of two values of a message one after the other, readers merge the fields
(https://protobuf.dev/programming-guides/encoding/#last-one-wins). Numbers of fields are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from photograft.errors import ModelError

Pooling = Literal["mean", "max", "all", "unknown"]

_GRAPH, _NODE, _OUTPUT = 7, 1, 12
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_POOLINGS: dict[str, Pooling] = {
    "ReduceMean": "mean",
    "GlobalAveragePool": "mean",
    "ReduceMax": "max",
    "GlobalMaxPool": "max",
}
_SAME_VALUES = ("Identity", "Flatten", "Reshape", "Squeeze", "Gather", "Transpose")
"""Operations behind a pooling that may leave its values as they are; they are compared with the map in the end."""


@dataclass(frozen=True)
class PooledPart:
    """A part of the embedding: how it is made of the tensor `name`.

    It is the mean or the maximum of a map over its places, or all of its values; `unknown` are values made otherwise,
    which `name` itself holds.
    """

    pooling: Pooling
    name: str


def pooled_parts(model: bytes, output: str = "embedding") -> tuple[PooledPart, ...]:
    """The parts that an output is put together of, in their order, as the graph says; whoever uses it compares values.

    Raises:
        ModelError: These bytes are no ONNX file with this output.
    """
    try:
        makers = {name: node for node in _nodes(memoryview(model)) for name in node.outputs}
    except (IndexError, ValueError) as error:
        raise ModelError(f"The network is no ONNX file that can be read ({error}).") from error
    if output not in makers:
        raise ModelError(f"The network has no output {output}.")
    return tuple(_parts(output, makers))


def with_outputs(model: bytes, names: tuple[str, ...]) -> bytes:
    """The same ONNX file with further tensors of its graph as outputs."""
    more = b"".join(_field(_OUTPUT, _field(1, name.encode())) for name in names)
    return model + _field(_GRAPH, more)


@dataclass(frozen=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _parts(name: str, makers: dict[str, _Node]) -> Iterator[PooledPart]:
    node = makers.get(name)
    if node is not None and node.kind == "Concat":
        for each in node.inputs:
            yield from _parts(each, makers)
        return
    inner, changed = name, False
    while node is not None and node.kind in _SAME_VALUES:
        inner, changed = node.inputs[0], True
        node = makers.get(inner)
    if node is not None and node.kind in _POOLINGS:
        yield PooledPart(_POOLINGS[node.kind], node.inputs[0])
    elif changed:
        yield PooledPart("all", inner)
    else:
        yield PooledPart("unknown", name)


def _nodes(model: memoryview) -> Iterator[_Node]:
    for number, graph in _fields(model):
        if number == _GRAPH:
            for inner, content in _fields(graph):
                if inner == _NODE:
                    texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
                    for field, value in _fields(content):
                        if field in texts:
                            texts[field].append(bytes(value).decode())
                    yield _Node("".join(texts[4]), tuple(texts[1]), tuple(texts[2]))


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (number, content) of the fields of a message that have a length; the others are passed over."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        elif kind == _LENGTH:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("it ends too early")
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"it has a field of kind {kind}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | _LENGTH) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
