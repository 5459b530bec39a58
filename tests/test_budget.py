"""What a run is expected to take: told beforehand, and accounted for at the end."""

from __future__ import annotations

import os
import signal

import pytest
import toy

from tests.runs import Watcher, logged, run, start, wait_for_lines
from validation import budget, report
from validation.display import duration
from validation.experiment import Options
from validation.rows import plan
from validation.store import Store


def test_every_unit_is_budgeted_once_for_the_first_table_that_needs_it():
    chosen = plan((), Options(), "toy:COSTLY")
    found = {part.name: {unit.key for unit in part.units} for part in budget.parts(chosen)}
    assert found == {
        "table toy/table-l of paper2018": {"toy/table-l", "toy/l", "toy/both"},
        "table toy/table-r of paper2018": {"toy/table-r", "toy/r"},
        "rows that need no table": {"toy/alone", "tables/a", "alone/b", "other/c"},
    }
    assert sum(map(len, found.values())) == len(chosen.units)


@pytest.mark.parametrize("jobs", [0, 1, 2, 3, 50])
def test_expected_wall_time_is_below_every_schedule(monkeypatch, jobs):
    """120 + 600 s in a chain, 240 and 60 s beside it; the best schedules are known."""
    monkeypatch.setattr("validation.budget.cores", lambda: 8)
    units = plan((), Options(), "toy:COSTLY").units
    best = {0: 1020, 1: 1020, 2: 720, 3: 720, 50: 720}
    assert budget.wall(units, jobs) == best[jobs]
    assert budget.wall([toy.ALONE], jobs) == 600  # what it needs is done
    assert budget.wall([], jobs) == 0


def test_tails_reach_to_the_end_of_all_that_needs_a_unit():
    found = budget.tails(plan((), Options(), "toy:COSTLY").units)
    assert (found["toy/both"], found["toy/alone"]) == (720, 600)
    assert (found["toy/l"], found["toy/r"], found["alone/b"]) == (240, 60, 0)


def test_workers_take_the_longest_tail_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("TOY_SLEEP", "0.2")  # longer than the submission of all units
    run(tmp_path / "run", "LONG_AND_SHORT", jobs=1)
    names = [name for name, _ in logged(tmp_path / "log") if name.isdigit()]
    costs = [int(name) for name in names]
    assert len(costs) == 8
    # One unit is at work before the others are known, and one waits at the worker.
    assert costs[2:] == sorted(costs[2:], reverse=True)


def test_more_processes_than_cores_save_no_time(monkeypatch):
    monkeypatch.setattr("validation.budget.cores", lambda: 2)
    apart = [toy.unit(str(i), cost=60) for i in range(8)]
    assert budget.wall(apart, 8) == budget.wall(apart, 2) == 240


def test_the_full_suite_on_mnist_fits_an_hour_of_two_cores(monkeypatch):
    monkeypatch.setattr("validation.budget.cores", lambda: 2)
    chosen = plan((), Options(suite="full", data="mnist"))
    assert budget.wall(chosen.units, 2) <= 3600
    declared = {part.name: sum(unit.cost for unit in part.units) for part in budget.parts(chosen)}
    # What takes long says so: an hour of units that declare nothing would be no hour.
    papers = ("fawzi2018", "zhang2019", "anonymous2022", "li2021", "levine2020")
    for paper in papers:
        assert sum(cost for name, cost in declared.items() if name.endswith(paper)) > 120


def test_the_budget_is_told_before_anything_is_done(tmp_path):
    watcher = Watcher()
    watcher.finished = lambda key, seconds: watcher.notes.append("a unit has ended")
    found = run(tmp_path / "run", "COSTLY", watcher)
    assert watcher.notes[:5] == [
        "table toy/table-l of paper2018: about 6.0 min",
        "table toy/table-r of paper2018: about 1.0 min",
        "rows that need no table: about 10 min",
        "in all about 17 min of processor time, about 17 min on one process",
        "a unit has ended",
    ]
    about = found["budget"]
    assert [part["expected"] for part in about["parts"]] == [360, 60, 600]
    assert (about["expected"], about["wall"]) == (1020, 1020)
    with Store(tmp_path / "run", create=False) as store:
        units = plan((), Options(), "toy:COSTLY").units
        assert about["taken"] == pytest.approx(sum(map(store.seconds, units)))
    assert about["taken"] == pytest.approx(sum(part["taken"] for part in about["parts"]))


def test_nothing_is_told_below_a_minute_or_without_estimates(tmp_path, monkeypatch):
    watcher = Watcher()
    found = run(tmp_path / "run", watcher=watcher)
    assert watcher.notes == []
    assert found["budget"]["expected"] is None
    chosen = plan((), Options(device="cuda"), "toy:COSTLY")
    with Store(tmp_path / "other", create=True) as store:
        (line,) = budget.announcement(chosen, store, 1)
        assert "--device cpu only" in line
        assert budget.account(chosen, store, 5.0)["wall"] is None
        *_, last = budget.announcement(plan((), Options(), "toy:COSTLY"), store, None)
        assert last == "in all about 17 min of processor time"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_continued_run_is_told_what_is_left_and_accounts_for_all(tmp_path, number):
    directory, log = tmp_path / "run", tmp_path / "log"
    process = start(directory, "--jobs", "0", catalogue="COSTLY", TOY_LOG=log, TOY_SLEEP=0.3)
    wait_for_lines(log, 4, process)
    os.killpg(process.pid, number)
    _, err = process.communicate()
    assert "validate: in all about 17 min of processor time" in err
    chosen = plan((), Options(), "toy:COSTLY")
    with Store(directory, create=False) as store:
        before = {unit.key: store.seconds(unit) for unit in chosen.units if unit in store}
    left = sum(unit.cost for unit in chosen.units if unit.key not in before)
    assert 0 < left < 1020
    process = start(directory, "--jobs", "0", "--resume", catalogue="COSTLY", TOY_LOG=log)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert f"validate: in all about {duration(left)} of processor time" in err
    about = report.load(directory)["budget"]
    assert (about["expected"], about["wall"]) == (1020, left)
    assert sum(before.values()) < about["taken"]
    with Store(directory, create=False) as store:
        assert about["taken"] == pytest.approx(sum(map(store.seconds, chosen.units)))
        assert all(
            store.seconds(unit) == before[unit.key] for unit in chosen.units if unit.key in before
        )
