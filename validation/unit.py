"""Carrying out one unit: its seed, its threads, a second try, and a result anyone can store."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from validation.display import clean
from validation.experiment import Json, Progress, Result, Unit
from validation.store import LARGEST, Finished

_ARRAY_NAME = re.compile(r"(?!(file|allow_pickle)$)[A-Za-z0-9_.-]{1,100}")  # two are savez's own


@dataclass(frozen=True)
class Failed:
    """A unit that raised twice, or cannot be tried: one line, and the traceback if there is one."""

    message: str
    trace: str = ""


@dataclass(frozen=True)
class Work:
    """A unit as it travels to a worker: without the units it needs, with its seed.

    `networks` says whether it trains, attacks, or reads the results of a unit that does.
    """

    key: str
    function: str
    parameters: str
    needs: tuple[str, ...]
    seed: int
    networks: bool


def unit_seed(root: int, key: str) -> int:
    """Return the seed of the unit `key`: 63 bits that depend on nothing but the arguments."""
    digest = hashlib.sha256(json.dumps([root, key]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def work(unit: Unit, root_seed: int) -> Work:
    """Return what a worker must know to carry out `unit`, besides the results it needs."""
    return Work(
        unit.key,
        unit.function,
        json.dumps(unit.parameters, sort_keys=True, allow_nan=False),
        tuple(need.key for need in unit.needs),
        unit_seed(root_seed, unit.key),
        _runs_networks(unit),
    )


def _runs_networks(unit: Unit) -> bool:
    return unit.accelerated or any(map(_runs_networks, unit.needs))


def call(todo: Work, inputs: Sequence[Finished | Failed], tell: Progress) -> Finished | Failed:
    """Return the result of a unit, tried twice; what it prints goes to stderr.

    Parameters
    ----------
    todo : Work
        The unit.
    inputs : sequence of Finished or Failed
        What became of the units it needs, in their order.
    tell : callable
        Told of the start and of any progress.
    """
    results = {}
    for key, need in zip(todo.needs, inputs, strict=True):
        if isinstance(need, Failed):
            return for_want_of(key, need)
        results[key] = need.result
    tell(0.0, "")
    done = _attempt(todo, results, tell)
    return _attempt(todo, results, tell) if isinstance(done, Failed) else done


def _attempt(todo: Work, results: dict[str, Result], tell: Progress) -> Finished | Failed:
    started = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr), _pinned(todo):
            # Its own copies, because it may write into them, and others read them too.
            own = {
                key: Result(
                    json.loads(json.dumps(result.values)),
                    {name: array.copy() for name, array in result.arrays.items()},
                )
                for key, result in results.items()
            }
            parameters = json.loads(todo.parameters)
            result = _strict(_function(todo.function)(parameters, own, todo.seed, tell))
    except (Exception, SystemExit) as error:
        return Failed(one_line(error), traceback.format_exc())
    return Finished(result, time.perf_counter() - started, time.time())


def _function(name: str) -> Callable[[Json, dict[str, Result], int, Progress], Result]:
    module, _, attribute = name.partition(":")
    found: Callable[..., Result] = getattr(importlib.import_module(module), attribute)
    return found


def _strict(result: Result) -> Result:
    """The same result as the store gives it back, so that nobody can tell the difference."""
    values = json.loads(json.dumps(result.values, sort_keys=True, allow_nan=False))
    arrays = {name: np.array(array, order="C") for name, array in result.arrays.items()}
    for name, array in arrays.items():
        if not _ARRAY_NAME.fullmatch(name):
            raise ValueError(f"an array's name must be letters, digits, '_.-', got {name!r}")
        if array.dtype.hasobject:
            raise ValueError(f"array {name!r} must hold numbers or text, got {array.dtype}")
    if (size := sum(array.nbytes for array in arrays.values())) > LARGEST:
        raise ValueError(f"arrays must have at most {LARGEST} bytes, got {size}")
    return Result(values, arrays)


@contextmanager
def _pinned(todo: Work) -> Iterator[None]:
    """One thread and deterministic algorithms, so that every run sums in the same order.

    Decided by the unit alone, not by what this process has loaded before.
    """
    if not todo.networks:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(todo.seed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


def for_want_of(key: str, failed: Failed) -> Failed:
    """Return the failure of a unit that needs the failed unit `key`: the first cause, named."""
    known = failed.message.startswith("needs ")
    return Failed(failed.message if known else f"needs {key!r}: {failed.message}")


def one_line(error: BaseException) -> str:
    """Return the kind of an error and its message, in one line that is safe to print."""
    words = " ".join(clean(error, 500).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
