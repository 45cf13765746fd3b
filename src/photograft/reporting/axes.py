"""Axes of figures over epochs: panels above each other, with their lines and round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from photograft.reporting.svg import draw_text

LEFT, WIDTH = 60.0, 360.0
"""Where a panel begins, and how wide it is."""

_TALLEST = 4.0  # times the first losses: a loss that ran away is cut there
Points = Sequence[tuple[float, float]]
"""Epoch and value."""


@dataclass(frozen=True)
class Panel:
    """A rectangle of the figure and the values at its edges."""

    top: float
    height: float
    left_value: float
    right_value: float
    ticks: tuple[float, ...]

    def x(self, epoch: float) -> float:
        """Where an epoch stands."""
        return LEFT + WIDTH * (epoch - self.left_value) / (self.right_value - self.left_value)

    def y(self, value: float) -> float:
        """Where a value stands; one above the panel is cut off at its top."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.top + self.height * (1 - (min(value, high) - low) / (high - low))


def draw_axes(panel: Panel, name: str, write: Callable[[float, int], str] | None) -> str:
    """Draw the name, the lines and the numbers of a panel; `write` writes a share as percent with so many digits."""
    drawn = [draw_text(8, panel.top - 9, name, size=12, soft=True)]
    step = (panel.ticks[1] - panel.ticks[0]) * (100 if write else 1)
    digits = next((n for n in range(6) if abs(step * 10**n - round(step * 10**n)) < 1e-6 * 10**n), 6)
    for tick in panel.ticks:
        label = write(tick, digits) if write else f"{tick:.{digits}f}"
        y = panel.y(tick)
        drawn.append(draw_text(LEFT - 8, y + 4, label, size=12, anchor="end"))
        drawn.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="currentColor" stroke-opacity="0.12"/>')
    return "".join(drawn)


def draw_epochs(panel: Panel, epochs: Sequence[float], name: str) -> list[str]:
    """Draw the numbers of epochs below a panel, and what they are called."""
    base = panel.top + panel.height
    numbers = [draw_text(panel.x(e), base + 18, f"{e}", size=12, anchor="middle") for e in _epoch_ticks(epochs)]
    return [*numbers, draw_text(LEFT + WIDTH / 2, base + 37, name, size=12, anchor="middle", soft=True)]


def epoch_edges(epochs: Sequence[float]) -> tuple[float, float]:
    """The first and the last epoch of a panel, which is never without width."""
    return (min(epochs), max(epochs)) if len(set(epochs)) > 1 else (epochs[0] - 0.5, epochs[0] + 0.5)


def loss_ticks(lines: Sequence[Points]) -> tuple[float, ...]:
    """Round numbers from 0 to the highest loss; a loss that ran away is cut at four times the first ones."""
    first = max((points[0][1] for points in lines), default=1.0)
    top = min(max((v for points in lines for _, v in points), default=1.0), _TALLEST * first)
    step = _nice_step(max(top, 1e-6) / 4)
    return tuple(step * i for i in range(max(math.ceil(top / step - 1e-9), 1) + 1))


def share_ticks(shares: Sequence[float]) -> tuple[float, ...]:
    """Round numbers around all shares, within 0 and 1."""
    return score_ticks(min(shares), max(shares), top=1.0)


def score_ticks(low: float, high: float, *, top: float) -> tuple[float, ...]:
    """Round numbers around two scores, within 0 and `top`."""
    step = _nice_step(max(high - low, 0.004) / 3)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    start, end = (start - 1, end + 1) if start == end else (start, end)
    ticks = tuple(step * i for i in range(max(start, 0), end + 1) if step * i <= top + 1e-9)
    return ticks if len(ticks) > 1 else (ticks[0] - step, ticks[0])


def _epoch_ticks(epochs: Sequence[float]) -> list[int]:
    first, last = max(1, math.ceil(min(epochs))), math.floor(max(epochs))
    step = max(1, round(_nice_step((last - first) / 10))) if last > first else 1
    return [e for e in range(first, last + 1) if step == 1 or e % step == 0]


def _nice_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))
