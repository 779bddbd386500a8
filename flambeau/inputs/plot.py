"""Small pictures of curves for reports and pages, drawn by hand: no plotting library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""(height, width), 0 black to 255 white."""
Curve = npt.NDArray[np.float64]

HEIGHT, WIDTH = 64, 192
PAPER, AXIS, INK = 255, 200, 40
CHANNELS = 6
"""Channels of a series that are drawn, at most."""


def waveform(samples: Curve) -> Grey:
    """Samples (time,), -1 to 1 -> their envelope: in each column of pixels the line from the lowest to the highest sample there."""
    parts = _columns(samples)
    return _drawn(np.array([part.min() for part in parts]), np.array([part.max() for part in parts]), -1.0, 1.0, HEIGHT)


def series(values: Curve) -> Grey:
    """Values (time, channels) -> a strip for each channel, on its own scale; missing values leave a gap."""
    shown = values[:, :CHANNELS]
    height = max(16, HEIGHT // max(shown.shape[1], 1))
    strips = [_strip(channel, height) for channel in shown.T]
    return np.concatenate(strips) if strips else np.full((HEIGHT, WIDTH), PAPER, np.uint8)


def _strip(channel: Curve, height: int) -> Grey:
    real = channel[np.isfinite(channel)]
    if len(real) == 0:
        return np.full((height, WIDTH), PAPER, np.uint8)
    places = np.linspace(0, len(channel) - 1, WIDTH + 1)
    line = np.interp(places, np.arange(len(channel)), channel)  # NaN where a neighbour is missing
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    return _drawn(low, high, float(real.min()), float(real.max()), height)


def _columns(samples: Curve) -> list[Curve]:
    """Samples -> those of each column of pixels and the next one, so that the line has no gaps."""
    edges = np.linspace(0, max(len(samples) - 1, 0), WIDTH + 1).astype(np.int64)
    return [samples[low : high + 1] if len(samples) else np.zeros(1) for low, high in pairwise(edges.tolist())]


def _drawn(low: Curve, high: Curve, least: float, most: float, height: int) -> Grey:
    """In each column a line from `low` to `high` (columns,), on a scale from `least` at the bottom to `most` at the top."""
    pixels = np.full((height, len(low)), PAPER, np.uint8)
    pixels[height // 2] = AXIS
    span = most - least or 1.0
    with np.errstate(invalid="ignore"):
        bottom, top = (np.rint((most - edge) / span * (height - 1)) for edge in (low, high))
        rows = np.arange(height)[:, None]
        pixels[(rows >= top) & (rows <= bottom)] = INK
    return pixels
