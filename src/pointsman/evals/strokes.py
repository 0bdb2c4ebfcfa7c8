"""Letters as strokes, for pictures that cannot ask anybody for a font: each on a grid of five by seven points, `xy` from the upper left.

A stroke is a run of points, strokes are parted by commas. Small letters begin at row 2; all stand on row 6, some hang down to row 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.evals.drawing import Points, Words

_ACROSS, _DOWN, ADVANCE = 1.2, 1.4, 6.8  # pixels a column, a row, a letter
_LINE = 6
_UNKNOWN = "00 40 46 06 00"
_TABLE = """
0 10 30 41 45 36 16 05 01 10 | 1 11 20 26,16 36 | 2 01 10 30 41 42 06 46 | 3 00 40 23 33 44 45 36 16 05 | 4 36 30 04 44
5 40 00 02 32 43 45 36 16 05 | 6 30 10 01 05 16 36 45 44 33 03 | 7 00 40 16 | 8 10 30 41 42 33 13 02 01 10,13 04 05 16 36 45 44 33
9 43 13 02 01 10 30 41 45 36 16 | a 12 32 43 46,44 14 05 16 36 45 | b 00 06,03 12 32 43 45 36 16 05 | c 43 32 12 03 05 16 36 45
d 40 46,43 32 12 03 05 16 36 45 | e 04 44 43 32 12 03 05 16 36 45 | f 41 30 20 11 16,02 32
g 43 32 12 03 05 16 36 45,42 47 38 18 07 | h 00 06,03 12 32 43 46 | i 22 26,20 21 | j 32 37 28 18,30 31 | k 00 06,32 04,14 46
l 20 26 | m 02 06,03 12 23 26,23 32 43 46 | n 02 06,03 12 32 43 46 | o 12 32 43 45 36 16 05 03 12
p 02 08,03 12 32 43 45 36 16 05 | q 42 48,43 32 12 03 05 16 36 45 | r 02 06,04 13 22 32 43 | s 43 32 12 03 14 34 45 36 16 05
t 10 15 26 36,02 32 | u 02 05 16 36 45,42 46 | v 02 26 42 | w 02 16 23 36 42 | x 02 46,42 06 | y 02 26,42 18 08 | z 02 42 06 46
A 06 20 46,14 34 | B 00 06 36 45 44 33 03,33 42 41 30 00 | C 41 30 10 01 05 16 36 45 | D 00 06 36 45 41 30 00
E 40 00 06 46,03 33 | F 40 00 06,03 33 | G 41 30 10 01 05 16 36 45 43 23 | H 00 06,40 46,03 43 | I 10 30,20 26,16 36
J 40 45 36 16 05 | K 00 06,40 03 46 | L 00 06 46 | M 06 00 23 40 46 | N 06 00 46 40 | O 10 30 41 45 36 16 05 01 10
P 06 00 30 41 42 33 03 | Q 10 30 41 45 36 16 05 01 10,34 46 | R 06 00 30 41 42 33 03,23 46 | S 41 30 10 01 02 13 33 44 45 36 16 05
T 00 40,20 26 | U 00 05 16 36 45 40 | V 00 26 40 | W 00 16 23 36 40 | X 00 46,40 06 | Y 00 23 40,23 26 | Z 00 40 06 46 | - 13 33
. 25 26 | , 25 26 17 | : 22 23,25 26 | / 06 40 | ( 30 11 15 36 | ) 10 31 35 16 | $ 41 30 10 01 02 13 33 44 45 36 16 05,20 26
% 06 40,00 10 11 01 00,35 45 46 36 35 | _ 07 47 | + 22 26,04 44 | = 03 43,05 45
"""
LETTERS = {" ": ""} | {entry[0]: entry[2:] for line in _TABLE.strip().splitlines() for entry in line.split(" | ")}


def strokes(words: Words) -> Iterator[Points]:
    """The strokes of a text, in pixels. What there is no letter for is a box."""
    width = ADVANCE * len(words.text)
    left = -width * {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor]
    for at, letter in enumerate(words.text):
        for stroke in LETTERS.get(letter, _UNKNOWN).split(","):
            places = [divmod(int(place), 10) for place in stroke.split()]
            points = [(left + at * ADVANCE + x * _ACROSS, (y - _LINE) * _DOWN) for x, y in places]
            yield [(words.x + y, words.y - x) if words.upright else (words.x + x, words.y + y) for x, y in points]
