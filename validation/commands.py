"""What each subcommand of `validate` does: the result on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from robust_theory.claim import Interval
from validation import report
from validation.display import clean
from validation.engine import ClusterLostError
from validation.experiment import Experiment, Json, Options
from validation.machine import cores
from validation.rows import Plan, command, load_catalogue, plan, unknown
from validation.run import execute, holds_run, rebuild
from validation.terminal import Display

_WIDE = 1000  # columns of a list in a file: no name is broken in two


def list_(parsed: argparse.Namespace) -> int:
    """Print the experiments."""
    chosen = plan((), _options(parsed), parsed.catalogue)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("experiment", "claim", "subject"):
        table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right")
    for experiment in load_catalogue(parsed.catalogue):
        count = sum(row.experiment.name == experiment.name for row in chosen.rows)
        words = (experiment.name, experiment.claim.name, experiment.subject)
        table.add_row(*map(_line, words), str(count))
    _print(lambda console: console.print(table), wide=_WIDE)
    return 0


def run_(parsed: argparse.Namespace) -> int:
    """Run experiments and print the report."""
    options, seed = _options(parsed), _count("--seed", parsed.seed)
    if parsed.jobs is not None and parsed.scheduler is not None:
        raise ValueError("--jobs and --scheduler exclude each other")
    if parsed.resume and parsed.out is None:
        raise ValueError("--resume needs --out DIR, the run to continue")
    jobs = cores() if parsed.jobs is None else _count("--jobs", parsed.jobs)
    chosen = plan(parsed.names, options, parsed.catalogue)
    if not chosen.rows:
        sys.stderr.write("validate: nothing selected: no experiment has a row of this kind\n")
        return 5
    if chosen.reads_data:
        _try_data(options)
    _say_what_is_left_out(chosen)
    directory = _new_directory() if parsed.out is None else Path(parsed.out)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with Display(sys.stderr, chosen) as display:
            found = execute(
                chosen,
                directory,
                display,
                seed=seed,
                jobs=jobs,
                scheduler=parsed.scheduler,
                resume=parsed.resume,
            )
    except (KeyboardInterrupt, ClusterLostError) as reason:
        return _interrupted(reason, chosen, seed, directory)
    finally:
        signal.signal(signal.SIGTERM, before)
    _print(lambda console: _show(found, directory, console))
    return _status(found, strict=parsed.strict)


def report_(parsed: argparse.Namespace) -> int:
    """Rebuild a report and print it."""
    directory = Path(parsed.directory)
    if holds_run(directory) and not (directory / "report.json").exists():
        found = rebuild(directory, parsed.catalogue)
    else:
        found = report.load(directory)
    report.write(found, directory)
    _print(lambda console: _show(found, directory, console))
    return _status(found, strict=False)


def compare_(parsed: argparse.Namespace) -> int:
    """Print what two reports differ in."""
    differences = report.compare(report.load(parsed.first), report.load(parsed.second))
    text = "\n".join(map(_line, differences)) or "no difference"
    _print(lambda console: console.print(text, soft_wrap=True))
    return 1 if differences else 0


def show_(parsed: argparse.Namespace) -> int:
    """Print a claim and how to test it."""
    chosen = plan((), _options(parsed), parsed.catalogue)
    experiments = load_catalogue(parsed.catalogue)
    about = [e for e in experiments if e.claim.name == parsed.claim]
    if not about:
        raise ValueError(unknown(parsed.claim, {e.claim.name for e in experiments}))
    claim = about[0].claim
    lines = [
        ("claim", claim.name),
        ("source", claim.source),
        ("statement", claim.statement),
        ("relation", f"measured quantity {claim.relation} value"),
        ("value", f"{claim.value.__module__}.{claim.value.__qualname__}: {_summary(claim.value)}"),
        ("hypotheses", _summary(claim.broken_hypotheses)),
        *(("experiment", _experiment(e, chosen)) for e in about),
        ("command", command([claim.name], chosen, 0)),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        if text:
            table.add_row(name, _line(text))
    _print(lambda console: console.print(table))
    return 0


def doctor_(parsed: argparse.Namespace) -> int:
    """Check this machine."""
    from validation.doctor import examine

    findings = examine()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row("ok" if finding.fine else "WRONG", finding.name, _line(finding.text))
    _print(lambda console: console.print(table))
    return 0 if all(finding.fine for finding in findings) else 1


# -------------------------------------------------------------------------------- pieces


def _status(found: Json, *, strict: bool) -> int:
    counts = found["counts"]
    if counts["violated"]:
        return 1
    if counts["error"]:
        return 3
    open_ends = counts["undecided"] + counts["vacuous"] + counts["not applicable"]
    return 1 if strict and open_ends else 0


def _try_data(options: Options) -> None:
    """Raise ValueError or OSError, in one line, where the data cannot be read."""
    if options.data != "digits":  # these come with scikit-learn
        from empirical.points import load_points

        load_points(options.data, options.data_dir)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _say_what_is_left_out(chosen: Plan) -> None:
    norm, experiments = chosen.options.norm, load_catalogue(chosen.catalogue)
    left = sum(norm not in experiment.norms for experiment in experiments)
    if left and not chosen.names:
        sys.stderr.write(f"validate: {left} experiments do not take --norm {norm}: left out\n")


def _interrupted(reason: BaseException, chosen: Plan, seed: int, directory: Path) -> int:
    why = str(reason) or "interrupted"
    if not holds_run(directory):
        sys.stderr.write(f"validate: {why} before anything was done\n")
        return 130
    again = command(chosen.names, chosen, seed, f"--out={directory}", "--resume")
    sys.stderr.write(f"validate: {why}; continue with: {again}\n")
    return 130


def _new_directory() -> Path:
    base = Path("validation-runs") / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name, number = base, 1
    while name.exists():
        number += 1
        name = base.with_name(f"{base.name}-{number}")
    return name


def _experiment(experiment: Experiment, chosen: Plan) -> str:
    count = sum(row.experiment.name == experiment.name for row in chosen.rows)
    return f"{experiment.name} ({count} rows): {experiment.quantity}"


def _summary(function: Callable[..., object]) -> str:
    """The first paragraph of a docstring."""
    return (function.__doc__ or "").strip().partition("\n\n")[0]


def _line(text: object) -> str:
    return " ".join(clean(text).split())


def _show(found: Json, directory: Path, console: Console) -> None:
    report.show(found, console)
    console.print(str(directory / "report.html"), soft_wrap=True)


def _print(show: Callable[[Console], None], wide: int = 120) -> None:
    """Print the result on stdout, as wide as the terminal, or `wide` columns into a file."""
    width = None if sys.stdout.isatty() else wide
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        show(console)
    try:
        sys.stdout.write(captured.get())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options(parsed: argparse.Namespace) -> Options:
    eps = tuple(part.strip() for part in parsed.eps.split(",")) if parsed.eps.strip() else ()
    for part in eps:
        _number("--eps", part, Interval(0, sys.float_info.max))
    exact = [Fraction(part) for part in eps]
    for k, number in enumerate(exact):
        if number in exact[:k]:
            same = eps[exact.index(number)]
            raise ValueError(f"--eps must name each number once, got {same!r} and {eps[k]!r}")
    alpha = _number("--alpha", parsed.alpha, Interval(sys.float_info.min, 0.5))
    if parsed.norm not in ("l1", "l2", "linf"):
        raise ValueError(f"--norm must be l1, l2 or linf, got {parsed.norm!r}")
    return Options(
        parsed.suite, parsed.data, parsed.data_dir, parsed.norm, eps, parsed.device, alpha
    )


def _number(flag: str, text: str, allowed: Interval) -> float:
    # Python would compute 1e-999999999 digit by digit.
    if re.fullmatch(r"[+-]?[0-9]{0,30}\.?[0-9]{0,30}([eE][+-]?[0-9]{1,3})?(/[0-9]{1,30})?", text):
        try:
            number = float(Fraction(text))
        except (ValueError, ZeroDivisionError, OverflowError):
            number = float("nan")
        if allowed.contains(number):
            return number
    raise ValueError(
        f"{flag} must be a number from {allowed.lo:.3g} to {allowed.hi:.3g}, got {text!r}"
    )


def _count(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(f"{flag} must be an integer of at least 0, got {text!r}")
    return int(text)
