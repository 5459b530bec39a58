"""The command `validate`. Only argparse is loaded until it is known what to do."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

_DESCRIPTION = """Test theorems about robustness in experiments that could refute them."""
_EXIT = """exit status:
  0 nothing violated (compare: no difference), 1 violated (compare: a difference),
  2 wrong usage, 3 a unit failed after retries, 5 nothing selected,
  130 interrupted; continue with --resume"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see: {self.prog} --help)")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from validation.machine import version

        sys.stdout.write(f"validate {version()}\n")
        parser.exit(0)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    add = shared.add_argument
    add("--suite", choices=("quick", "full"), default="quick", help="how much (default: quick)")
    add(
        "--data",
        default="digits",
        metavar="NAME-or-FILE",
        help="name or .npz, .parquet, IDX file (default: digits)",
    )
    add("--data-dir", metavar="DIR", help="where the files of a named data set are")
    add("--norm", default="l2", help="of the perturbations: l1, l2, linf (default: l2)")
    add(
        "--eps",
        default="",
        metavar="LIST",
        help="budgets, as in 0.1,8/255 (default: by experiment)",
    )
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where networks run")
    add("--alpha", default="0.01", help="error level of the whole report (default: 0.01)")
    _catalogue(shared)

    formatter = argparse.RawDescriptionHelpFormatter
    parser = _Parser("validate", description=_DESCRIPTION, epilog=_EXIT, formatter_class=formatter)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, text: str, **more: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=text, description=text, epilog=_EXIT, formatter_class=formatter, **more
        )
        made.set_defaults(run=f"{name}_")
        return made

    command("list", "print experiments, claims and numbers of rows", parents=[shared])
    run = command("run", "run experiments and report", parents=[shared])
    add = run.add_argument
    names = (
        "claims, experiments, subjects, papers by their bibliography key, "
        "or EXPERIMENT/INSTANCE for one row (default: all)"
    )
    add("names", nargs="*", metavar="NAME", help=names)
    add("--seed", default="0", help="root of all random numbers (default: 0)")
    add("--jobs", metavar="N", help="worker processes (default: cores); 0: in this process")
    add("--scheduler", metavar="ADDRESS", help="use this dask scheduler instead")
    add("--out", metavar="DIR", help="where results go (default: validation-runs/TIME)")
    add("--resume", action="store_true", help="continue the run in --out")
    add("--strict", action="store_true", help="exit 1 also on undecided, vacuous, not applicable")
    report = command("report", "rebuild the report of a run and print it")
    report.add_argument("directory", metavar="DIR")
    _catalogue(report)
    compare = command("compare", "print what two runs differ in")
    compare.add_argument("first", metavar="A")
    compare.add_argument("second", metavar="B")
    show = command("show", "print a claim and how to test it", parents=[shared])
    show.add_argument("claim", metavar="CLAIM")
    command("doctor", "check that this machine can run experiments")
    return parser


def _catalogue(parser: argparse.ArgumentParser) -> None:
    default = "validation.experiments:EXPERIMENTS"
    parser.add_argument("--catalogue", default=default, help=argparse.SUPPRESS)  # MODULE:NAME


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit status; wrong usage is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal need not know every sign
    for name in ("OMP", "OPENBLAS", "MKL"):
        # Before numpy is loaded: sums depend on the number of threads.
        os.environ[f"{name}_NUM_THREADS"] = "1"
    try:
        parsed = _parser().parse_args(arguments)
        from validation import commands

        return int(getattr(commands, parsed.run)(parsed))
    except ValueError as error:
        return _complain(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}")
    except SystemExit as leaving:  # argparse, after --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc()
        return 3  # 1 would say that a claim is violated


def _complain(message: object) -> int:
    from validation.display import clean

    sys.stderr.write(f"validate: {' '.join(clean(message, 1000).split())}\n")
    return 2
