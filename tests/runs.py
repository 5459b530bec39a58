"""Runs of the toy catalogue, in this process or as a command, and what they leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from validation.experiment import Options
from validation.rows import in_order, plan
from validation.run import execute
from validation.store import Store

ROOT = Path(__file__).parents[1]
TIMES = ("started", "wall_seconds", "jobs", "hardware")


class Watcher:
    """Remembers what it is told."""

    def __init__(self):
        self.done, self.failures, self.notes, self.heard = [], {}, [], []

    def stored(self, count):
        self.before = count

    def progress(self, key, fraction, words):
        self.heard.append((key, fraction, words))

    def finished(self, key, seconds):
        self.done.append(key)

    def failed(self, key, failure):
        self.failures[key] = failure

    def note(self, line):
        self.notes.append(line)


def run(directory, catalogue="STEADY", watcher=None, names=(), options=None, seed=7, **more):
    chosen = plan(names, options or Options(), f"toy:{catalogue}")
    more = {"jobs": 0, **more}
    return execute(chosen, directory, watcher or Watcher(), seed=seed, **more)


def numbers(found):
    """A report without what two runs may differ in."""
    about = {name: value for name, value in found["about"].items() if name not in TIMES}
    rows = [{**row, "seconds": 0} for row in found["rows"]]
    return {**found, "about": about, "rows": rows, "budget": None}


def verdicts(found):
    return {word: count for word, count in found["counts"].items() if count}


def environment(**more):
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return {**os.environ, "PYTHONPATH": path, **{k: str(v) for k, v in more.items()}}


def start(directory, *flags, catalogue="STEADY", **env):
    """The command `validate run` in a process group of its own."""
    words = ["run", "--catalogue", f"toy:{catalogue}", "--seed", "7", "--out", str(directory)]
    return subprocess.Popen(
        [sys.executable, "-m", "validation", *words, *flags],
        env=environment(**env),
        cwd=directory.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what it puts in the background with this signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def logged(path):
    """(unit, process) for each line that units wrote."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [
        (match[1], int(match[2])) for line in lines if (match := re.match(r"'(.*)' (\d+)$", line))
    ]


def wait_for_lines(path, count, process):
    while len(logged(path)) < count and process.poll() is None:
        time.sleep(0.002)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def assert_gone(pids):
    deadline = time.monotonic() + 20
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline, f"left over: {[p for p in pids if not gone(p)]}"
        time.sleep(0.05)


def acknowledged(directory, catalogue="STEADY"):
    """The keys of the units in the store, read after its process has died."""
    if not (directory / "run.json").exists():
        return set()
    with Store(directory, create=False) as store:
        chosen = plan((), Options(), f"toy:{catalogue}")
        return {u.key for u in in_order(map(chosen.unit, chosen.rows)) if u in store}


def names_of(keys):
    """What units with these keys write into the log."""
    found = set()
    for key in keys:
        first, _, rest = key.partition("/")
        found.add(rest if first == "toy" else f"measure {rest}")
    return found
