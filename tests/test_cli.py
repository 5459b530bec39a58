"""The command `validate`: what it prints where, and its exit status."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy

from validation import report
from validation.cli import main
from validation.commands import _number
from validation.experiment import Options
from validation.rows import command, plan
from validation.terminal import Display
from validation.unit import Failed

ROOT = Path(__file__).parents[1]


@pytest.fixture
def validate(capsys, monkeypatch):
    """Carry out a command line in this process; (status, stdout, stderr)."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # so that what main sets is undone

    def run(*arguments, catalogue=None):
        words = [str(argument) for argument in arguments]
        if catalogue:
            words[1:1] = [f"--catalogue=toy:{catalogue}"]
        status = main(words)
        return (status, *capsys.readouterr())

    return run


def process(*arguments, **more):
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    env = {**os.environ, "PYTHONPATH": path, **more.pop("env", {})}
    words = [sys.executable, "-m", "validation", *map(str, arguments)]
    return subprocess.run(words, env=env, capture_output=True, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a run that found one claim violated."""
    place = tmp_path_factory.mktemp("finished") / "run"
    assert main(["run", "--catalogue=toy:VIOLATED", "--jobs=0", f"--out={place}"]) == 1
    return place


# ------------------------------------------------------------------------------ exit status


@pytest.mark.parametrize(
    ("catalogue", "status", "strict"),
    [
        ("STEADY", 0, 0),
        ("VIOLATED", 1, 1),
        ("UNDECIDED", 0, 1),
        ("VACUOUS", 0, 1),
        ("NOT_APPLICABLE", 0, 1),
        ("FAILING", 3, 3),
        ("WRONG_AND_FAILING", 1, 1),
        ("NOTHING", 5, 5),
    ],
)
def test_exit_status_of_a_run(validate, tmp_path, monkeypatch, catalogue, status, strict):
    monkeypatch.setattr("validation.page.html", lambda found: "")  # it takes time, and no part
    common = ["run", "--jobs", "0", "--out", tmp_path / "run"]
    found, out, err = validate(*common, catalogue=catalogue)
    assert found == status
    if status == 5:
        assert out == ""
        assert err == "validate: nothing selected: no experiment has a row of this kind\n"
        return
    assert out.splitlines()[-1] == str(tmp_path / "run" / "report.html")
    assert re.search(r"\n\d.*; family-wise error level 1 %\n", out)
    assert validate(*common, "--resume", "--strict", catalogue=catalogue)[0] == strict


USAGE = {
    "no command": [],
    "unknown command": ["frobnicate"],
    "unknown flag": ["run", "--frobnicate"],
    "unknown name": ["run", "stedy"],
    "unknown claim": ["show", "mean-is-haf"],
    "negative seed": ["run", "--seed", "-1"],
    "seed": ["run", "--seed", "seven"],
    "long seed": ["run", "--seed", "9" * 5000],
    "jobs": ["run", "--jobs", "-2"],
    "negative eps": ["run", "--eps", "0.1,-0.2"],
    "NaN eps": ["run", "--eps", "nan"],
    "infinite eps": ["run", "--eps", "inf"],
    "eps over zero": ["run", "--eps", "8/0"],
    "empty eps": ["run", "--eps", "0.1,,0.2"],
    "eps twice": ["run", "--eps", "0.5,1/2"],
    "decimal over a number": ["run", "--eps", "1.5/255"],
    "huge eps": ["run", "--eps", "1e999"],
    "endless eps": ["run", "--eps", "1e-99999999999"],
    "alpha": ["run", "--alpha", "0"],
    "NaN alpha": ["run", "--alpha", "nan"],
    "norm": ["run", "--norm", "l3"],
    "suite": ["run", "--suite", "slow"],
    "device": ["run", "--device", "tpu"],
    "no data there": ["run", "--data", "mnist", "--data-dir", "{tmp}", "fawzi2018"],
    "no data folder": ["run", "--data", "mnist", "--suite", "full", "optimal-risk"],
    "unknown data": ["run", "--data", "mnits", "fooling-quantile-of-trained-networks"],
    "unknown paper": ["run", "fawzi2081"],
    "both": ["run", "--jobs", "1", "--scheduler", "tcp://127.0.0.1:1"],
    "resume nothing": ["run", "--resume"],
    "resume no run": ["run", "--resume", "--out", "{tmp}/none"],
    "out below a file": ["run", "--jobs", "0", "--out", "{tmp}/file/run"],
    "out unwritable": ["run", "--jobs", "0", "--out", "/proc/validate"],
    "out impossible": ["run", "--jobs", "0", "--out", "a\0b"],
    "out taken": ["run", "--jobs", "0", "--out", "{finished}"],
    "report of nothing": ["report", "{tmp}"],
    "report of a damaged one": ["report", "{tmp}/damaged"],
    "report of another kind": ["report", "{tmp}/other"],
    "compare with nothing": ["compare", "{finished}", "{tmp}"],
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_one_line_and_status_2(validate, tmp_path, finished, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for folder, content in (("damaged", b'{"about": '), ("other", b"[1, 2, 3]")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "report.json").write_bytes(content)
    words = [word.format(tmp=tmp_path, finished=finished) for word in USAGE[name]]
    takes = words and words[0] in ("run", "show", "list")
    status, out, err = validate(*words, catalogue="STEADY" if takes else None)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"validate: [^\n]+\n", err)
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "damaged", "other"}


def test_messages_say_what_to_do(validate, finished):
    assert "did you mean 'steady'" in validate("run", "stedy", catalogue="STEADY")[2]
    err = validate("show", "mean-is-haf", catalogue="STEADY")[2]
    assert err == "validate: unknown name 'mean-is-haf'; did you mean 'mean-is-half'?\n"
    err = validate("run", "--eps", "0.1,x", catalogue="STEADY")[2]
    assert err.startswith("validate: --eps must be a number from 0 to 1.8e+308, got 'x'")
    err = validate("run", f"--out={finished}", catalogue="STEADY")[2]
    assert "add --resume or choose another --out" in err


def test_an_error_of_ours_is_not_taken_for_a_violated_claim(validate, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("validation.commands.plan", broken)
    status, out, err = validate("list")
    assert (status, out) == (3, "")
    assert "RuntimeError: a bug" in err


def test_numbers_are_read_as_they_are_written():
    from robust_theory.claim import Interval

    for text, value in {"8/255": 8 / 255, "0.1": 0.1, "1e-3": 1e-3, ".5": 0.5, "3": 3.0}.items():
        assert _number("--eps", text, Interval(0, 10)) == value
    for text in ("", ".", "/", "1/", "0x1", "1_0", "1 2", "\N{FULLWIDTH DIGIT ONE}", "11", "e5"):
        with pytest.raises(ValueError, match="--eps must be a number from 0 to 10"):
            _number("--eps", text, Interval(0, 10))


# ------------------------------------------------------------------------------ subcommands


def test_list(validate):
    status, out, err = validate("list", catalogue="STEADY")
    assert (status, err) == (0, "")
    assert re.search(r"steady +mean-is-half +toy +6\n", out)
    assert re.search(r"other +other-claim +elsewhere +2\n", out)
    # Names are whole where no terminal limits the line, so that they can be looked for.
    lines = validate("list")[1].splitlines()
    assert all(len(line.split()) == 4 for line in lines)
    assert lines[0].split() == ["experiment", "claim", "subject", "rows"]
    assert max(map(len, lines)) > 120


def test_show(validate):
    status, out, err = validate("show", "other-claim", catalogue="STEADY")
    assert (status, err) == (0, "")
    assert r"\mathbb{E} U = \tfrac12" in out
    assert "elementary" in out
    assert "measured quantity == value" in out
    assert "other (2 rows): mean of U" in out
    assert "validate run --catalogue=toy:STEADY other-claim" in out


def test_show_says_what_a_real_claim_is_about(validate):
    status, out, _ = validate("show", "latent-fooling-probability")
    words = " ".join(out.split())
    assert status == 0
    assert "fawzi2018, Theorem 1" in words
    assert "robust_theory.vulnerability.latent.fooling_probability" in words
    assert "validate run latent-fooling-probability" in words


def test_report_rebuilds_the_pages(validate, finished):
    before = {name: (finished / name).read_bytes() for name in ("report.html", "junit.xml")}
    for name in before:
        (finished / name).unlink()
    status, out, _ = validate("report", finished)
    assert status == 1  # of the verdicts, as the run
    assert "1 violated" in out
    assert {name: (finished / name).read_bytes() for name in before} == before


def test_report_of_an_interrupted_run_skips_what_is_missing(validate, finished, tmp_path):
    import shutil

    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()
    assert validate("report", tmp_path / "run")[0] == 2  # it names another catalogue: not loaded
    status, _, _ = validate("report", tmp_path / "run", catalogue="VIOLATED")
    assert status == 1
    found, whole = report.load(tmp_path / "run"), report.load(finished)
    assert report.compare(found, whole) == []
    assert found["about"]["wall_seconds"] >= 0


def test_compare(validate, finished, tmp_path):
    assert validate("compare", finished, finished) == (0, "no difference\n", "")
    validate("run", "--jobs=0", "--seed=1", f"--out={tmp_path / 'run'}", catalogue="VIOLATED")
    status, out, err = validate("compare", finished, tmp_path / "run")
    assert (status, err) == (1, "")
    assert "about: seed: 0 in the first, 1 in the second" in out


def test_the_printed_command_reproduces_a_row(validate, finished, tmp_path):
    row = report.load(finished)["rows"][-1]
    program, *words = shlex.split(row["command"])
    assert program == "validate"
    validate(*words, "--jobs=0", f"--out={tmp_path / 'run'}")
    (again,) = report.load(tmp_path / "run")["rows"]
    assert {**again, "seconds": 0} == {**row, "seconds": 0}


def test_commands_name_what_is_not_the_default():
    options = Options("full", "mnist", "/my data", "l1", ("0.1", "8/255"), "cuda", 0.05)
    chosen = plan((), options, "toy:STEADY")
    words = shlex.split(command(["-x"], chosen, 3))
    assert words == [
        *("validate", "run", "--suite=full", "--data=mnist", "--data-dir=/my data", "--norm=l1"),
        *("--eps=0.1,8/255", "--device=cuda", "--alpha=0.05", "--seed=3"),
        *("--catalogue=toy:STEADY", "--", "-x"),
    ]
    assert command([], plan((), Options(), "toy:STEADY"), 0) == (
        "validate run --catalogue=toy:STEADY"
    )


def test_the_default_directory_is_new_each_time(validate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("validation.page.html", lambda found: "")
    for _ in range(3):  # within one second
        assert validate("run", "--jobs=0", catalogue="VACUOUS")[0] == 0
    names = sorted(path.name for path in (tmp_path / "validation-runs").iterdir())
    assert len(names) == 3
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", name) for name in names)


def test_doctor():
    found = process("doctor", text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "the verdict is 'holds'" in found.stdout
    assert re.search(r"ok +python +3\.", found.stdout)


def test_doctor_finds_what_is_wrong(validate, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    status, out, _ = validate("doctor")
    assert status == 1
    assert len(re.findall("^WRONG", out, re.MULTILINE)) == 2  # the folder, and the run in it


def test_bars_in_a_terminal_come_and_go(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal then
    stream = io.StringIO()
    with Display(stream, plan((), Options(), "toy:STEADY")) as display:
        display.stored(5)
        display.progress("toy/row-0", 0.25, "[bold]training\x1b[2J\n")
        display.progress("toy/row-1", 0.5, "attacking")
        time.sleep(0.15)  # rich draws ten times a second
        display.finished("toy/row-0", 1.5)
        display.failed("toy/row-1", Failed("ValueError: no"))
        display.progress("toy/row-0", 0.9, "late")
        assert [bar.description for bar in display._bars.tasks] == ["all units"]
        assert display._bars.tasks[0].completed == 7
    shown = stream.getvalue()
    assert "5 of 18 units are done already" in shown
    assert "[bold]training" in shown
    assert "\x1b[2J" not in shown
    assert "7/18 toy/row-1 failed: ValueError: no" in shown


# ---------------------------------------------------------------------- hostile surroundings


def test_hostile_names_travel_unharmed(validate, tmp_path):
    directory = tmp_path / "run"
    status, out, err = validate("run", "--jobs=0", f"--out={directory}", catalogue="HOSTILE")
    assert status == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", out + err)
    assert "<script>" not in (directory / "report.html").read_text("utf-8")
    found = report.load(directory)
    assert {row["claim"] for row in found["rows"]} == set(toy.HOSTILE_NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert validate("compare", directory, directory)[0] == 0
    assert validate("list", catalogue="HOSTILE")[0] == 0
    for name in toy.HOSTILE_NAMES:
        status, out, err = validate("show", "--", name, catalogue="HOSTILE")
        assert status == 0, err
    row = next(row for row in found["rows"] if row["experiment"] == "-starts-with-a-dash")
    words = shlex.split(row["command"])[1:]
    words[1:1] = ["--jobs=0", f"--out={tmp_path / 'one'}"]
    assert validate(*words)[0] == 0
    (again,) = report.load(tmp_path / "one")["rows"]
    assert {**again, "seconds": 0} == {**row, "seconds": 0}


def test_a_reader_that_leaves_early(tmp_path):
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    script = f"{shlex.quote(sys.executable)} -m validation list; echo status $? >&2"
    with subprocess.Popen(
        ["bash", "-c", f"({script}) | true"],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.communicate()[1] == "status 0\n"


def test_a_terminal_that_knows_ascii_only(tmp_path):
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    words = ["run", "--catalogue=toy:HOSTILE", "--jobs=0", f"--out={tmp_path / 'run'}"]
    found = process(*words, "[bold]markup[/bold] {braces} %s $(command) `x`", env=env, text=True)
    assert (found.returncode, "Traceback" in found.stderr) == (0, False), found.stderr


def test_reading_a_report_runs_nothing(tmp_path, finished, validate):
    content = json.loads((finished / "report.json").read_text())
    content["rows"][0]["claim"] = "__import__('os').abort()"
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert validate("report", tmp_path)[0] == 1


# ------------------------------------------------------------------------------ what is loaded


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], {"numpy", "rich", "dask", "torch", "sympy"}),
        (["list"], {"dask", "torch", "sympy", "sklearn", "cvxpy", "matplotlib", "numba", "ot"}),
    ],
)
def test_help_and_list_load_no_more_than_they_need(words, absent):
    script = (
        "import contextlib, io, sys\n"
        "from validation.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        f"    assert main({words}) == 0\n"
        "assert out.getvalue()\n"
        "print(*sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert not absent & set(told.split())


def test_version():
    found = process("--version", text=True)
    assert found.returncode == 0
    assert re.fullmatch(r"validate \S+\n", found.stdout)
