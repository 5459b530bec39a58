"""A run gives the same numbers however it is carried out, and loses nothing when it is killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import toy

from tests.runs import (
    Watcher,
    acknowledged,
    assert_gone,
    environment,
    logged,
    names_of,
    numbers,
    run,
    start,
    verdicts,
    wait_for_lines,
)
from validation import report
from validation.experiment import Instance, Options
from validation.run import holds_run, rebuild
from validation.store import Store


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return run(tmp_path_factory.mktemp("expected") / "run")


def test_a_row_alone_is_the_row_of_the_full_report(expected, tmp_path):
    alone = run(tmp_path / "run", names=["steady/row-3"])
    (row,) = alone["rows"]
    assert alone["about"]["row_alpha"] == expected["about"]["row_alpha"] == 0.01 / 8
    (same,) = (r for r in expected["rows"] if r["seed_key"] == "steady/row-3")
    assert {**row, "seconds": 0} == {**same, "seconds": 0}
    assert same["command"].endswith("--seed=7 --catalogue=toy:STEADY steady/row-3")


def test_another_seed_gives_other_numbers(expected, tmp_path):
    other = run(tmp_path / "run", seed=8)
    values = [[row["observed"]["value"] for row in r["rows"]] for r in (expected, other)]
    assert not set(values[0]) & set(values[1])


# ------------------------------------------------------------------------------ engines


@pytest.mark.parametrize("jobs", [1, 2])
def test_workers_and_order_do_not_change_a_number(expected, tmp_path, monkeypatch, jobs):
    monkeypatch.chdir(tmp_path)
    watcher = Watcher()
    found = run(tmp_path / "run", jobs=jobs, watcher=watcher)
    assert numbers(found) == numbers(expected)
    assert report.compare(found, expected) == []
    assert len(watcher.done) == 18
    assert {key for key, *_ in watcher.heard} <= set(watcher.done)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no scratch folder


def test_what_a_unit_prints_is_not_the_result(tmp_path, capsys):
    run(tmp_path / "run", "CHATTY")
    assert capsys.readouterr().out == ""


def test_networks_run_on_one_thread_with_deterministic_algorithms(tmp_path):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    run(tmp_path / "run", "NETWORKS")
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    with Store(tmp_path / "run", create=False) as store:
        for unit in (toy.TRAINED, toy.READS_IT):
            assert store.get(unit).result.values == {"state": [1, True, True]}


def test_a_unit_that_fails_is_tried_twice_and_harms_only_its_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    found = {}
    for jobs in (0, 1):
        watcher = Watcher()
        found[jobs] = run(tmp_path / f"{jobs}", "FAILING", jobs=jobs, watcher=watcher)
        assert verdicts(found[jobs]) == {"error": 4, "holds": 8}
        assert (
            watcher.failures["toy/failing-shared"].message
            == "RuntimeError: the unit fails <script>"
        )
        traces = (tmp_path / f"{jobs}" / "failures.txt").read_text()
        assert 'raise RuntimeError("the unit\\nfails <script>")' in traces
    counts = Counter(name for name, _ in logged(tmp_path / "log"))
    assert counts["failing-shared"] == 4  # twice in each of the two runs
    assert report.compare(found[0], found[1]) == []
    reasons = {row["experiment"]: row["reason"] for row in found[0]["rows"]}
    assert "RuntimeError: the unit fails <script>" in reasons["failing"]
    assert "SystemExit" in reasons["leaving"]
    assert "not JSON compliant" in reasons["nan"]


def test_failures_are_tried_again_on_resume(tmp_path, monkeypatch):
    run(tmp_path / "run", "FAILING")
    monkeypatch.setattr(toy, "fail", toy.draw)
    watcher = Watcher()
    found = run(tmp_path / "run", "FAILING", resume=True, watcher=watcher)
    assert verdicts(found) == {"error": 2, "holds": 10}
    assert set(watcher.done) == {
        *("toy/failing-shared", "toy/failing-0", "toy/failing-1"),
        *("failing/failing-0", "failing/failing-1"),
    }


def test_a_worker_killed_once_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_MARKER", str(tmp_path / "marker"))
    found = run(tmp_path / "killed", "DYING_ONCE", jobs=1)
    assert (tmp_path / "marker").exists()
    assert verdicts(found) == {"holds": 10}
    whole = run(tmp_path / "whole", "DYING_ONCE", jobs=0)  # the marker is there
    assert report.compare(found, whole) == []


def test_a_unit_that_always_kills_its_worker_harms_only_its_rows(tmp_path):
    found = run(tmp_path / "run", "DYING", jobs=1)
    assert verdicts(found) == {"error": 2, "holds": 8}
    (reason,) = {row["reason"] for row in found["rows"] if row["verdict"] == "error"}
    dead = "the worker process died each time (killed, or out of memory)"
    assert reason == f"needs 'toy/dying-shared': {dead}"


# ------------------------------------------------------------------------------ another scheduler


@pytest.fixture
def scheduler(tmp_path):
    """An ordinary scheduler with one ordinary worker, as their commands start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    place = tmp_path / "dask"
    place.mkdir()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": place}
    more = ["--nthreads", "1", "--local-directory", str(place), "--no-dashboard"]
    processes = []
    for command in (["scheduler", *words], ["worker", address, *more]):
        processes.append(subprocess.Popen([*dask, *command], env=environment(), **quiet))
    yield address
    for process in reversed(processes):
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def test_a_scheduler_that_is_running_gives_the_same_numbers(expected, tmp_path, scheduler):
    found = run(tmp_path / "run", scheduler=scheduler)
    assert numbers({**found}) == numbers(expected)
    with pytest.raises(ValueError, match="offers GPU=1"):
        run(tmp_path / "gpu", scheduler=scheduler, options=Options(device="cuda"))


def test_a_scheduler_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.cluster.PATIENCE", "1s")
    with pytest.raises(ValueError, match="no dask scheduler at"):
        run(tmp_path / "run", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ValueError, match="no dask scheduler at"):
        run(tmp_path / "run2", scheduler="not an address")


def test_a_machine_without_gpu_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    for jobs in (0, 1):
        with pytest.raises(ValueError, match="--device cuda: this machine has no GPU"):
            run(tmp_path / f"{jobs}", jobs=jobs, options=Options(device="cuda"))
        # Nothing was done there, so the directory is free for a run that can be done.
        assert not holds_run(tmp_path / f"{jobs}")
        run(tmp_path / f"{jobs}", jobs=0)


# ------------------------------------------------------------------------------ killed


def test_killed_at_any_step_of_writing_then_resumed(expected, tmp_path, monkeypatch):
    monkeypatch.setattr("validation.page.html", lambda found: "")  # it takes time, and no part
    script = "import sys, test_run; test_run.die_at_every_step(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, tmp_path], env=environment(), check=True)
    directories = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(directories) > 20
    kept = []
    for directory in directories:
        before = acknowledged(directory)
        watcher = Watcher()
        found = run(directory, resume=(directory / "run.json").exists(), watcher=watcher)
        assert watcher.notes == []  # nothing was damaged
        assert before.isdisjoint(watcher.done)
        assert len(before) + len(watcher.done) == 18
        assert numbers(found) == numbers(expected)
        kept.append(len(before))
    assert kept == sorted(kept)
    assert kept[0] == 0
    assert kept[-1] == 18


def die_at_every_step(place):
    """Run in a child that is killed at its first write to the disk, in one at its fourth, ...

    In a process of its own, because only one without threads can be forked safely.
    """
    report.write = lambda found, directory: None
    step, status = 0, -1
    while status != 0:
        child = os.fork()
        if child == 0:
            _die_at(step)
            run(Path(place) / str(step))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        step += 3  # each unit has five or two steps, so all kinds are met


def _die_at(step):
    """Kill this process before the step-th step: a sync, a renaming, a unit's begin or end."""
    left = step

    def tick():
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def counted(call):
        def ticking(*arguments):
            tick()
            return call(*arguments)

        return ticking

    def put(store, *arguments, real=Store.put):
        tick()
        real(store, *arguments)
        tick()

    os.fsync, os.replace, Store.put = counted(os.fsync), counted(os.replace), put


@pytest.mark.parametrize(("jobs", "moments"), [(0, (0, 2, 5, 3)), (2, (6,))])
def test_killed_at_random_moments_then_resumed(expected, tmp_path, jobs, moments):
    rng = random.Random(20180223)
    directory, log = tmp_path / "run", tmp_path / "log"
    env = {"TOY_LOG": log, "TOY_SLEEP": 0.1}
    kept, seen, kills = set(), 0, 0
    for moment in (*moments, None):
        resume = ["--resume"] if (directory / "run.json").exists() else []
        process = start(directory, "--jobs", str(jobs), *resume, **env)
        if moment is not None:
            wait_for_lines(log, seen + moment, process)
            time.sleep(rng.uniform(0, 0.03 if moment else 0.5))
            process.kill()
        _, err = process.communicate()
        # On a busy machine the signal may come after the end.
        assert process.returncode in ((0,) if moment is None else (0, -signal.SIGKILL)), err
        kills += process.returncode != 0
        assert_gone({pid for _, pid in logged(log)})  # the workers too
        lines = [name for name, _ in logged(log)]
        assert names_of(kept).isdisjoint(lines[seen:])  # what was acknowledged is not done again
        assert kept <= acknowledged(directory)
        kept, seen = acknowledged(directory), len(lines)
        assert process.returncode != 0 or len(kept) == 18  # it ends by itself only when all is done
    assert len(kept) == 18
    assert kills  # at the first moment nothing has been done yet
    assert numbers(report.load(directory)) == numbers(expected)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "log"}


@pytest.mark.parametrize(("jobs", "number"), [(0, signal.SIGTERM), (2, signal.SIGINT)])
def test_interrupted_then_continued_as_it_says(expected, tmp_path, jobs, number):
    directory, log = tmp_path / "run", tmp_path / "log"
    env = {"TOY_LOG": log, "TOY_SLEEP": 0.2}
    process = start(directory, "--jobs", str(jobs), **env)
    wait_for_lines(log, 5, process)
    os.killpg(process.pid, number)  # as the terminal does, to the workers too
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert_gone({pid for _, pid in logged(log)})
    *before, last = err.splitlines()
    assert all(re.match(r"\d+/18 ", line) for line in before), err  # no traceback
    interrupted = rebuild(directory, "toy:STEADY")
    assert set(verdicts(interrupted)) <= {"holds", "skipped"}
    assert 0 < interrupted["counts"]["skipped"] <= 8
    words = shlex.split(last.partition("continue with: validate ")[2])
    command = [sys.executable, "-m", "validation", *words, "--jobs", "0"]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    assert numbers(report.load(directory)) == numbers(expected)


def test_a_damaged_unit_is_done_again_with_a_note(expected, tmp_path):
    directory = tmp_path / "run"
    run(directory)
    artifact = min((directory / "artifacts").iterdir())
    artifact.write_bytes(artifact.read_bytes()[:-7])
    watcher = Watcher()
    found = run(directory, resume=True, watcher=watcher)
    assert watcher.before == 17
    assert len(watcher.done) == len(watcher.notes) == 1
    assert "fails its checksum: it is done again" in watcher.notes[0]
    assert numbers(found) == numbers(expected)


# ------------------------------------------------------------------------------ its directory


def test_two_runs_in_one_directory(tmp_path):
    directory, log = tmp_path / "run", tmp_path / "log"
    process = start(directory, "--jobs", "0", TOY_LOG=log, TOY_SLEEP=0.1)
    wait_for_lines(log, 2, process)
    for resume, message in ((True, "another process is using"), (False, "holds a run already")):
        with pytest.raises(ValueError, match=message):
            run(directory, resume=resume)
    with pytest.raises(ValueError, match="another process is using"):
        rebuild(directory, "toy:STEADY")
    assert process.communicate()[0]
    assert process.returncode == 0


def test_another_run_is_not_continued(tmp_path, monkeypatch):
    directory = tmp_path / "run"
    with pytest.raises(ValueError, match="there is no run in"):
        run(directory, resume=True)
    run(directory, names=["steady"])
    others = {
        "seed": {"seed": 8},
        "names": {"names": ["other"]},
        "options": {"options": Options(alpha=0.02)},
        "catalogue": {"catalogue": "VIOLATED"},
    }
    for what, changed in others.items():
        with pytest.raises(ValueError, match=f"was started with other {what}: "):
            run(directory, resume=True, **{"names": ["steady"], **changed})
    changed = (*toy.STEADY, toy.experiment("more", [Instance("m", {"name": "m"})]))
    with monkeypatch.context() as patch:
        patch.setattr(toy, "STEADY", changed)
        with pytest.raises(ValueError, match="was started with other experiments"):
            run(directory, resume=True, names=["steady"])
    with monkeypatch.context() as patch:
        patch.setattr("validation.run.version", lambda: "0.0.0")
        with pytest.raises(ValueError, match="was started with other version: "):
            run(directory, resume=True, names=["steady"])
    run(directory, resume=True, names=["steady"])


def test_a_damaged_description_of_the_run_is_refused(tmp_path):
    run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    whole = path.read_bytes()
    rng = random.Random(20180223)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        for reading in (
            lambda: run(tmp_path / "run", resume=True),
            lambda: rebuild(tmp_path / "run"),
        ):
            with pytest.raises(ValueError, match=r"run\.json is damaged|started with other"):
                reading()
    for content in (b"", b"[]", b"{}", b"[" * 100_000, whole[:-20]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"run\.json is damaged"):
            run(tmp_path / "run", resume=True)
