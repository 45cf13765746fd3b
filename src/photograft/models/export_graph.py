"""Nodes and constants of an ONNX graph, added one after the other. Needs the package onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 18
"""The oldest set of operations that the nodes here are written in: since 18, reductions take their axes as an input."""

OWN = "photograft/"
"""What names of nodes and constants that are added here begin with, unlike those of the networks."""


class GraphParts:
    """Nodes that are collected; every method adds one and gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of any kind with one result."""
        from onnx import helper

        name = f"{OWN}{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        """A constant, of the array's own type."""
        from onnx import numpy_helper

        name = f"photograft/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def numbers(self, values: Any) -> str:
        """A constant of 32-bit floating-point numbers."""
        return self.constant(np.asarray(values, np.float32))

    def whole(self, values: Sequence[int]) -> str:
        """A constant list of whole numbers: shapes, axes, indices."""
        return self.constant(np.asarray(values, np.int64))

    def scaled(self, name: str, factor: float) -> str:
        """A tensor times a number."""
        return self.add("Mul", name, self.numbers(factor))

    def total(self, names: Sequence[str]) -> str:
        """The sum of tensors of one shape, or that can be brought to it."""
        first, *others = names
        for other in others:
            first = self.add("Add", first, other)
        return first

    def reduced(self, kind: str, name: str, axis: int, *, keep: bool = False) -> str:
        """ReduceSum, ReduceMax, ReduceMean or the like over one axis."""
        return self.add(kind, name, self.whole([axis]), keepdims=int(keep))

    def linear(self, name: str, weight_DM: npt.NDArray[Any], bias_M: npt.NDArray[Any]) -> str:
        """(N, D) to (N, M)."""
        return self.add("Gemm", name, self.numbers(weight_DM), self.numbers(bias_M))

    def rename(self, name: str, new: str) -> str:
        """The same tensor under the name of an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [name], [new], name=f"{OWN}{new}"))
        return new
