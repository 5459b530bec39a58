"""The dask cluster that a run works on: processes of this machine, or one that is running."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from validation.machine import version
from validation.unit import one_line

PATIENCE = "10s"  # for a scheduler to answer
# For our own cluster; a running one keeps its configuration.
_CONFIGURATION: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 1,  # as for exceptions: one more try
    "distributed.scheduler.worker-ttl": None,  # a solver may hold the interpreter for minutes
    "distributed.comm.timeouts.connect": "300s",  # and others ask for its results meanwhile
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # dask has freed memory handed back at once, at twice the processor time for networks. With one
    # heap per process and these limits glibc keeps it; elsewhere they mean nothing.
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**29,
}
_LARGE = {"distributed.admin.large-graph-warning-threshold": "1TB"}  # stored results travel along
# A connection that closes while a run is being interrupted counts as critical there.
_SILENT = logging.CRITICAL + 1
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")


@contextmanager
def connect(
    *, cuda: bool, jobs: int, scheduler: str | None, note: Callable[[str], None]
) -> Iterator[Any]:
    """Give a dask client, of `jobs` processes started here or of the scheduler at an address.

    Raises
    ------
    ValueError
        If nobody answers at the address, its workers have another version, or nobody has a GPU.
    """
    import dask
    from distributed import Client

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(_SILENT)  # we say what happened
    if scheduler is None:
        with (
            tempfile.TemporaryDirectory(prefix="validate-", ignore_cleanup_errors=True) as folder,
            dask.config.set({**_CONFIGURATION, **_LARGE, "temporary-directory": folder}),
            _local(jobs, gpus() if cuda else (), folder) as cluster,
            Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"no dask scheduler at {scheduler}: {one_line(error)}") from None
    with dask.config.set(_LARGE), client:
        _check_workers(client, scheduler, cuda, note)
        yield client


def _local(jobs: int, accelerators: Sequence[str], folder: str) -> Any:
    """A cluster of one-thread processes, of which the first ones have a GPU each."""
    from distributed import Nanny, Scheduler, SpecCluster

    # dask always opens a port for HTTP: here on the loopback, any free one, with no page on it.
    shared: dict[str, Any] = {"host": "127.0.0.1", "protocol": "tcp://"}
    shared |= {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    worker = {**shared, "nthreads": 1, "memory_limit": 0, "local_directory": folder}
    worker["silence_logs"] = _SILENT
    workers: dict[int, Any] = {i: {"cls": Nanny, "options": worker} for i in range(jobs)}
    for i, name in enumerate(accelerators[:jobs]):
        gpu = {"resources": {"GPU": 1}, "env": {"CUDA_VISIBLE_DEVICES": name}}
        workers[i] = {"cls": Nanny, "options": {**worker, **gpu}}
    # Ctrl-C in a terminal reaches every process. Workers, also later ones, inherit from the thread
    # that is started here that they do not hear it; this process ends them. The tracker, were it
    # started with the first worker, would unblock the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return SpecCluster(  # type: ignore[no-untyped-call]
            workers=workers,
            scheduler={"cls": Scheduler, "options": shared},
            silence_logs=_SILENT,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def gpus() -> tuple[str, ...]:
    """Return the names of this machine's GPUs for CUDA_VISIBLE_DEVICES; ValueError without any."""
    try:
        import torch

        count = torch.cuda.device_count()
    except ImportError:
        count = 0
    if count == 0:
        raise ValueError("--device cuda: this machine has no GPU that torch can use")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(visible.split(",")[:count] if visible else map(str, range(count)))


def installed() -> str:
    """Return what must agree between this process and the workers."""
    return f"robust-theory {version()} on Python {sys.version_info[0]}.{sys.version_info[1]}"


def _check_workers(client: Any, address: str, cuda: bool, note: Callable[[str], None]) -> None:
    workers: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    if cuda and not any(worker["resources"].get("GPU") for worker in workers.values()):
        raise ValueError(
            f"--device cuda: no worker at {address} offers GPU=1; start them with: "
            f'dask worker {address} --nthreads 1 --resources "GPU=1"'
        )
    if not workers:
        note(f"{address} has no workers yet, waiting for some")
    try:
        others = set(client.run(installed).values()) - {installed()}
    except Exception as error:  # whatever a worker without this package raises
        raise ValueError(f"workers at {address} cannot run this: {one_line(error)}") from None
    if others:
        raise ValueError(f"workers at {address} have {min(others)}, here is {installed()}")
