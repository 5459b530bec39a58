"""Arguments for the claims on W1 between images, as JSON holds them."""

import math

_IMAGES = [
    {"x": [[1, 2], [3, 4]], "y": [[4, 3], [2, 1]]},
    {"x": [[0, 0, 9]], "y": [[9, 0, 0]]},
    {"x": [5, 0, 0, 1], "y": [0, 3, 3, 0]},
    {"x": [[7]], "y": [[7]]},
    {"x": [[0, 0], [0, 0]], "y": [[0, 0], [0, 0]]},
    {"x": [[-2, 2], [0, 1]], "y": [[1, 0], [0, 0]]},
    {"x": [[0.1, 0.2], [0.3, 0.4]], "y": [[0.4, 0.3], [0.2, 0.1]]},
    {"x": [[10**12, 0], [0, 1]], "y": [[1, 0], [10**12, 0]]},
    {"x": [[255, 3, 0], [17, 0, 90]], "y": [[1, 2, 4], [8, 16, 32]], "normalise": True},
    # A black channel beside one that moves.
    {"x": [[[0, 1], [0, 2]], [[0, 3], [0, 4]]], "y": [[[0, 4], [0, 3]], [[0, 2], [0, 1]]]},
]
_NO_IMAGES = [
    {"x": [[1, 2]], "y": [[1, 1]]},
    {"x": [[1, 2]], "y": [[1], [2]]},
    {"x": [[math.nan, 1]], "y": [[1, 1]]},
    {"x": [[math.inf, 1]], "y": [[1, 1]]},
    {"x": [[1, 2], [3]], "y": [[1, 2], [3]]},
    {"x": [[]], "y": [[]]},
    {"x": 1, "y": 1},
    {"x": None, "y": None},
    {"x": [["a"]], "y": [["a"]]},
    {"x": [[0, 0]], "y": [[0, 1]], "normalise": True},
    {"x": [[-1, 1]], "y": [[0, 1]], "normalise": True},
    {"x": [[[0, 2]]], "y": [[[1, 1]]]},  # mass would move between channels
]
_NAMES = ("grid-transport-between-neighbours", "grid-signed-flow-norm")
ARGUMENTS = dict.fromkeys(_NAMES, _IMAGES)
OUTSIDE = dict.fromkeys(_NAMES, _NO_IMAGES)
