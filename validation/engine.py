"""Carrying out many units: in this process, or on a dask cluster that passes results along.

Results come back to one process, which alone writes them down. What fails is an error for the
rows that need it, and the others go on.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from validation.budget import tails
from validation.cluster import connect, gpus
from validation.display import clean
from validation.experiment import Options, Unit
from validation.store import Finished, Store
from validation.unit import Failed, Work, call, for_want_of, one_line, work


class Watcher(Protocol):
    """Who is told how the work goes on. Called from any thread."""

    def stored(self, count: int) -> None:
        """So many units were done by an earlier process."""

    def progress(self, key: str, fraction: float, words: str) -> None:
        """Unit `key` is at work."""

    def finished(self, key: str, seconds: float) -> None:
        """The result of `key` is on disk."""

    def failed(self, key: str, failure: Failed) -> None:
        """Unit `key` was given up."""

    def note(self, line: str) -> None:
        """Something else worth a line."""


class ClusterLostError(Exception):
    """The cluster went away before the end of the work, which can be continued."""


def carry_out(
    units: Sequence[Unit],
    store: Store,
    seed: int,
    watcher: Watcher,
    *,
    options: Options,
    jobs: int,
    scheduler: str | None = None,
) -> dict[str, Failed]:
    """Put the results of `units` into `store`, but for those it has; return the failures by key.

    Parameters
    ----------
    units : sequence of Unit
        Each after the units it needs.
    store : Store
        Where results go as they arrive.
    seed : int
        The root seed.
    watcher : Watcher
        Told of every start, progress and end.
    options : Options
        The device decides who asks for a GPU.
    jobs : int
        Worker processes of a local cluster; 0 works in this process.
    scheduler : str, optional
        Address of a dask scheduler to use instead.

    Raises
    ------
    ValueError
        If the cluster cannot be used: not there, another version, no GPU.
    ClusterLostError
        If it went away; what was finished is kept.
    """
    failures: dict[str, Failed] = {}
    if scheduler is None and jobs == 0:
        if options.device == "cuda":
            gpus()
        _in_process(units, store, seed, failures, watcher)
    elif any(unit not in store for unit in units):
        cuda = options.device == "cuda"
        with connect(cuda=cuda, jobs=jobs, scheduler=scheduler, note=watcher.note) as client:
            _on_cluster(client, units, store, seed, failures, watcher, cuda)
    return failures


def _in_process(
    units: Sequence[Unit], store: Store, seed: int, failures: dict[str, Failed], watcher: Watcher
) -> None:
    for unit in _open(units, store, failures, watcher):

        def tell(fraction: float, words: str, key: str = unit.key) -> None:
            watcher.progress(key, fraction, words)

        inputs = [store.get(need) for need in unit.needs]
        _take(unit, call(work(unit, seed), inputs, tell), store, failures, watcher)


def _open(
    units: Sequence[Unit], store: Store, failures: dict[str, Failed], watcher: Watcher
) -> Iterator[Unit]:
    """Units still to do; one that needs a failed unit has failed, for the same reason."""
    for unit in units:
        if unit in store or unit.key in failures:
            continue
        if (need := next((n.key for n in unit.needs if n.key in failures), None)) is not None:
            _take(unit, for_want_of(need, failures[need]), store, failures, watcher)
        else:
            yield unit


def _take(
    unit: Unit,
    done: Finished | Failed,
    store: Store,
    failures: dict[str, Failed],
    watcher: Watcher,
) -> None:
    if isinstance(done, Failed):
        failures[unit.key] = done
        watcher.failed(unit.key, done)
    else:
        store.put(unit, done)
        watcher.finished(unit.key, done.seconds)


def _on_cluster(
    client: Any,
    units: Sequence[Unit],
    store: Store,
    seed: int,
    failures: dict[str, Failed],
    watcher: Watcher,
    cuda: bool,
) -> None:
    topic = f"validate-{uuid.uuid4().hex}"  # a scheduler may serve others too
    urgency = tails(units)
    client.subscribe_topic(topic, lambda event: watcher.progress(*event[1]))

    def together(some: Sequence[Unit]) -> list[Unit]:
        """Carry them out; return those whose worker died, which may not be their fault."""
        futures: dict[str, Any] = {}
        todo: dict[Any, Unit] = {}
        for unit in _open(some, store, failures, watcher):
            for need in unit.needs:
                if need.key not in futures:
                    # Submitted, not scattered: it survives the worker that holds it.
                    futures[need.key] = client.submit(_given, store.get(need), pure=False)
            futures[unit.key] = client.submit(
                _call_on_worker,
                work(unit, seed),
                [futures[need.key] for need in unit.needs],
                topic,
                resources={"GPU": 1} if cuda and unit.accelerated else None,
                priority=urgency[unit.key],  # else a long unit may be alone at the end
                pure=False,
            )
            todo[futures[unit.key]] = unit
        futures.clear()
        return _collect(client, todo, store, failures, watcher)

    while suspects := together(units):
        # A worker takes its whole queue down with it. Alone, nobody else can be the cause.
        for unit in suspects:
            if together([unit]):
                dead = Failed("the worker process died each time (killed, or out of memory)")
                _take(unit, dead, store, failures, watcher)
    client.unsubscribe_topic(topic)


def _collect(
    client: Any,
    todo: dict[Any, Unit],
    store: Store,
    failures: dict[str, Failed],
    watcher: Watcher,
) -> list[Unit]:
    from distributed import KilledWorker, as_completed

    suspects = []
    arriving = as_completed(list(todo), loop=client.loop)  # type: ignore[no-untyped-call]
    for future in arriving:
        if future.status == "cancelled":
            raise ClusterLostError("the scheduler was lost")
        if future.status in ("lost", "pending"):  # with its worker, just now; dask does it again
            arriving.add(future)  # type: ignore[no-untyped-call]
            continue
        unit = todo.pop(future)
        if future.status == "finished":
            _take(unit, future.result(), store, failures, watcher)
        elif not isinstance(error := future.exception(), KilledWorker):
            _take(unit, Failed(one_line(error)), store, failures, watcher)
        elif error.task == future.key:  # else it was a unit that this one needs
            suspects.append(unit)
    return suspects


def _given(done: Finished) -> Finished:
    return done


def _call_on_worker(todo: Work, inputs: list[Finished | Failed], topic: str) -> Finished | Failed:
    from distributed import get_worker

    worker, last = get_worker(), float("-inf")

    def tell(fraction: float, words: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2:  # seconds: a terminal shows no more
            last = time.monotonic()
            worker.log_event(topic, [todo.key, float(fraction), clean(words, 200)])

    return call(todo, inputs, tell)
