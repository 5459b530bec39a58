"""How a run looks while it works: bars in a terminal, one line per unit elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from validation.display import clean, duration
from validation.rows import Plan
from validation.unit import Failed


class Display:
    """Shows a run on `stream`, which is not where its result goes.

    Parameters
    ----------
    stream : file
        Usually stderr.
    chosen : Plan
        What is run.
    """

    def __init__(self, stream: TextIO, chosen: Plan) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._units = len(chosen.units)
        self._whole = self._bars.add_task("all units", total=self._units, words="")
        self._running: dict[str, TaskID] = {}
        self._done: set[str] = set()
        self._stored = 0

    def stored(self, count: int) -> None:
        """Count units that an earlier process did."""
        self._stored = count
        self._bars.update(self._whole, completed=count)
        if count:
            self.note(f"{count} of {self._units} units are done already")

    def progress(self, key: str, fraction: float, words: str) -> None:
        """Show how far a unit is."""
        if key in self._done:  # the word came later than the result
            return
        if key not in self._running:
            self._running[key] = self._bars.add_task(_line(key), total=1.0, words="")
        self._bars.update(self._running[key], completed=fraction, words=_line(words))

    def finished(self, key: str, seconds: float) -> None:
        """Count a unit."""
        self._leave(key)
        if self._bars.disable:
            self._print(f"{self._count()} {_line(key)} {duration(seconds)}")

    def failed(self, key: str, failure: Failed) -> None:
        """Say why a unit was given up."""
        self._leave(key)
        self._print(f"{self._count()} {_line(key)} failed: {_line(failure.message)}")

    def note(self, line: str) -> None:
        """Say something else."""
        self._print(f"validate: {_line(line)}")

    def _count(self) -> str:
        return f"{self._stored + len(self._done)}/{self._units}"

    def _leave(self, key: str) -> None:
        self._done.add(key)
        self._bars.advance(self._whole)
        if key in self._running:
            self._bars.remove_task(self._running.pop(key))

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


def _line(text: object) -> str:
    return " ".join(clean(text, 200).split())
