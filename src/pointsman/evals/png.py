"""A sheet as a PNG file, with nothing but numpy and zlib: lines are strips around which the ink fades, marks are dots and polygons."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import ceil, floor, hypot

import numpy as np
from numpy.typing import NDArray

from pointsman.evals.drawing import MARK, RADIUS, Line, Mark, Piece, Points, Words
from pointsman.evals.strokes import strokes

SCALE = 2  #: pixels for each of the sheet's
_PEN = 1.1

Canvas = NDArray[np.float64]


def png(pieces: Iterable[Piece], width: int, height: int) -> bytes:
    """The sheet as a file, on white."""
    canvas = np.full((height * SCALE, width * SCALE, 3), 255.0)
    for piece in pieces:
        colour = piece.colour if isinstance(piece, Line) else MARK
        ink = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.float64)
        for points, pen in _ways(piece):
            for start, end in pairwise(points):
                _stroke(canvas, start, end, pen, ink)
        if isinstance(piece, Mark) and piece.outline:
            _fill(canvas, piece.outline, ink)
    return _file(np.rint(canvas).astype(np.uint8))


def _ways(piece: Piece) -> Iterator[tuple[Points, float]]:
    """What the pen draws, and how wide it is."""
    if isinstance(piece, Words):
        yield from ((stroke, _PEN) for stroke in strokes(piece))
    elif isinstance(piece, Mark):
        yield ([*piece.outline, piece.outline[0]], 1.0) if piece.outline else ([(piece.x, piece.y)] * 2, 2 * RADIUS)
    else:
        yield from ((part, piece.width) for part in (_dashes(piece) if piece.dash else [piece.points]))


def _dashes(line: Line) -> Iterator[Points]:
    """The parts of a dashed line that are drawn."""
    lengths = [*line.dash, *line.dash] if len(line.dash) % 2 else [*line.dash]
    at, left = 0, lengths[0]
    for (x, y), (to_x, to_y) in pairwise(line.points):
        whole, gone = hypot(to_x - x, to_y - y), 0.0
        while gone < whole:
            step = min(left, whole - gone)
            ends = [(x + (to_x - x) * part / whole, y + (to_y - y) * part / whole) for part in (gone, gone + step)]
            if at % 2 == 0:
                yield ends
            gone, left = gone + step, left - step
            if left <= 1e-9:
                at = (at + 1) % len(lengths)
                left = lengths[at]


def _stroke(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], pen: float, ink: Canvas) -> None:
    """A straight strip: full of ink up to half the pen's width from the line, none half a pixel further."""
    (x, y), (to_x, to_y), half = (start[0] * SCALE, start[1] * SCALE), (end[0] * SCALE, end[1] * SCALE), pen * SCALE / 2
    window, across, down = _window(
        canvas, (min(x, to_x) - half - 1, min(y, to_y) - half - 1), (max(x, to_x) + half + 1, max(y, to_y) + half + 1)
    )
    along = (to_x - x) ** 2 + (to_y - y) ** 2
    part = np.clip(((across - x) * (to_x - x) + (down - y) * (to_y - y)) / along, 0, 1) if along else np.zeros(1)
    distance = np.hypot(across - x - part * (to_x - x), down - y - part * (to_y - y))
    _blend(window, np.clip(half + 0.5 - distance, 0, 1), ink)


def _fill(canvas: Canvas, outline: Points, ink: Canvas) -> None:
    """A polygon whose corners run clockwise."""
    corners = [(x * SCALE, y * SCALE) for x, y in outline]
    xs, ys = zip(*corners, strict=True)
    window, across, down = _window(canvas, (min(xs), min(ys)), (max(xs), max(ys)))
    inside = np.ones(window.shape[:2])
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside *= (to_x - x) * (down - y) - (to_y - y) * (across - x) >= 0
    _blend(window, inside, ink)


def _window(canvas: Canvas, low: tuple[float, float], high: tuple[float, float]) -> tuple[Canvas, Canvas, Canvas]:
    """A part of the canvas, and where the centres of its pixels lie."""
    left, top = max(floor(low[0]), 0), max(floor(low[1]), 0)
    part = canvas[top : max(ceil(high[1]), 0), left : max(ceil(high[0]), 0)]
    columns, rows = np.arange(part.shape[1], dtype=np.float64), np.arange(part.shape[0], dtype=np.float64)
    return part, columns[None, :] + (left + 0.5), rows[:, None] + (top + 0.5)


def _blend(window: Canvas, cover: Canvas, ink: Canvas) -> None:
    window += cover[:, :, None] * (ink - window)


def _file(pixels: NDArray[np.uint8]) -> bytes:
    """The pixels as a file: PNG, ISO/IEC 15948, eight bits of red, green and blue, rows unfiltered."""
    height, width, _ = pixels.shape
    rows = np.concatenate((np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)), axis=1).tobytes()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
