"""The report: complete, strict, safe to open whatever the texts in it hold, the same every time."""

import io
import json
import math
import re
import shlex
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.harmless_pages import HOSTILE, check_harmless
from tests.made_report import CDF, FOOLING, fake_about, fake_outcomes, outcome
from validation import report
from validation.display import band, clean, natural, number
from validation.experiment import Table
from validation.strict_json import decode, encode
from validation.verdict import WORDS, Evidence

PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
PLAIN = PLAIN.filter(lambda value: value not in (math.inf, -math.inf))
BRACKETS = st.text(alphabet='[]{}"\\\n ,1')


@given(
    st.recursive(
        PLAIN | BRACKETS,
        lambda inner: st.lists(inner) | st.dictionaries(BRACKETS, inner),
    )
)
def test_json_comes_back_as_it_was(value):
    assert decode(encode(value)) == value


def test_lists_of_plain_numbers_are_one_line_each():
    assert encode({"a": [[1, 2.5, None], "[\n1\n]"], "b": []}) == (
        b'{\n "a": [\n  [1, 2.5, null],\n  "[\\n1\\n]"\n ],\n "b": []\n}\n'
    )


def test_every_verdict_occurs_and_is_counted(fake):
    assert len(fake["rows"]) == 20
    assert all(fake["counts"][word] > 0 for word in WORDS)
    assert sum(fake["counts"].values()) == 20


def test_rows_are_worst_first_and_instances_in_natural_order(fake):
    ranks = [WORDS.index(row["verdict"]) for row in fake["rows"]]
    assert ranks == sorted(ranks)
    names = [r["instance"] for r in fake["rows"] if r["verdict"] == "holds" and r["norm"]]
    radii = [name for name in names if re.fullmatch(r"K=\d+", name)]
    assert radii == ["K=2", "K=10", "K=100"]
    assert sorted(["q0.5", "q0.05", "q10", "q2"], key=natural) == ["q0.05", "q0.5", "q2", "q10"]


def test_order_of_outcomes_does_not_matter(fake):
    assert report.assemble(fake_about(), fake_outcomes()[::-1]) == fake


def test_rows_hold_the_promised_fields(fake):
    fields = (
        "claim, experiment, source, statement, relation, parameters, norm, unit, theory, observed, "
        "alpha, verdict, reason, detectable, command, seed_key, seconds, artifacts"
    )
    for row in fake["rows"]:
        assert set(fields.split(", ")) <= row.keys()
        assert set(row["theory"]) == {"value", "lo", "hi", "form"}
        assert set(row["observed"]) == {"value", "lo", "hi", "side", "method", "n", "censored"}
        assert row["command"] == f"validate run --seed=7 {shlex.quote(row['seed_key'])}"
    failed = next(row for row in fake["rows"] if row["verdict"] == "error")
    assert failed["reason"] == "digits/classifier-cnn: worker killed three times"
    assert failed["observed"]["value"] is None
    assert "commands" not in fake["about"]


def test_form_is_told_where_there_are_two(fake):
    plain = replace(FOOLING, value=lambda value: value)
    assert fake["rows"][0]["theory"]["form"] == "sharp"
    evidence = Evidence(0.9, 0.9, 0.9, "exact", "by hand")
    single = outcome(replace(CDF, claim=plain), "one", 0.5, evidence)
    paper = outcome(CDF, "two", 0.5, evidence)
    paper.values["arguments"]["form"] = "paper"
    about = fake_about(commands={o.row.key: "x" for o in (single, paper)})
    one, two = report.assemble(about, [single, paper])["rows"]
    assert (one["theory"]["form"], two["theory"]["form"]) == (None, "paper")


def test_infinities_are_strings_and_nan_is_refused(fake, written):
    vacuous = next(row for row in fake["rows"] if row["verdict"] == "vacuous")
    assert vacuous["theory"]["value"] == "Infinity"
    text = (written / "report.json").read_text("ascii")
    json.loads(text, parse_constant=pytest.fail)
    assert "∞" in (written / "report.html").read_text("utf-8")
    bad = fake_outcomes()
    bad[0].values["theory"]["value"] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        report.assemble(fake_about(), bad)


def test_two_outcomes_of_one_row_are_refused():
    with pytest.raises(ValueError, match="seed_key must be unique"):
        report.assemble(fake_about(), fake_outcomes()[:1] * 2)


def test_load_gives_back_what_was_written(fake, written):
    assert report.load(written) == fake


def test_same_report_same_bytes(fake, written, tmp_path):
    report.write(report.load(written), tmp_path)
    for name in ("report.json", "report.html", "junit.xml"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "junit.xml",
        "report.html",
        "report.json",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "Expecting value"),
        (lambda text: text[: len(text) // 2], "report.json is not a report"),
        (lambda text: "[" * 100_000, "nested too deeply"),
        (lambda text: "[]", "at the top"),
        (lambda text: text.replace('"alpha": 0.01', '"alpha": NaN', 1), "NaN is not JSON"),
        (lambda text: text.replace('"seed": 7', '"seed": 1e999'), "too large"),
        (lambda text: text.replace('"seed": 7', '"seed": ' + "9" * 400), "too large"),
        (lambda text: text.replace('"seed": 7', '"seed": "7"'), "about/seed"),
        (lambda text: text.replace('"holds"', '"proved"'), "proved"),
        (lambda text: text.replace('"holds": 12', '"holds": 13'), "counts of verdicts"),
        (lambda text: text.replace("planted-q0.75", "cnn-q0.25"), "seed_key must be unique"),
        (lambda text: text.replace('"lo": [', '"lo": [0.5,', 1), "equally many numbers"),
        (lambda text: text.replace('"planted"', '"pla\xff"'), "report.json is not a report"),
    ],
)
def test_load_refuses_what_is_not_a_report(written, tmp_path, change, words):
    text = change((written / "report.json").read_text("ascii"))
    (tmp_path / "report.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        report.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_load_refuses_large_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match="no readable report"):
        report.load(tmp_path)
    with open(tmp_path / "report.json", "wb") as file:
        file.truncate(report.LARGEST + 1)
    with pytest.raises(ValueError, match="bytes"):
        report.load(tmp_path)


def test_junit_counts_and_messages(fake, written):
    root = ElementTree.fromstring((written / "junit.xml").read_bytes())
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"latent", "models"}
    latent = suites["latent"]
    kinds = ("tests", "failures", "errors", "skipped")
    assert [latent.get(kind) for kind in kinds] == ["15", "1", "1", "6"]
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name)) == len(suite.findall(f"testcase/{tag}"))
    failure = root.find(".//failure")
    assert failure.get("message") == "violated: the whole band is on the wrong side"
    assert "reproduce: validate run" in failure.text
    assert root.find(".//skipped").get("message").startswith("undecided: attack too weak")


def test_compare_ignores_times_jobs_and_hardware(fake):
    about = fake_about(
        started="tomorrow", wall_seconds=1.0, jobs=1, hardware={"cpu": "1 core"}, command="other"
    )
    slower = [replace(o, seconds=99.0) for o in fake_outcomes()]
    assert report.compare(fake, report.assemble(about, slower)) == []


def test_compare_names_what_differs(fake):
    outcomes = fake_outcomes()
    outcomes[0].values["verdict"] = "violated"
    outcomes[0].values["evidence"]["lo"] = "-Infinity"
    outcomes[0].values["curve"]["theory"] = (0.5, *outcomes[0].values["curve"]["theory"][1:])
    changed = report.assemble(fake_about(seed=8), outcomes[:-1])
    assert report.compare(fake, changed) == [
        "about: seed: 7 in the first, 8 in the second",
        "digits-vae-fooling/linear-q0.25: curve: theory: 1 of 121 entries differ",
        "digits-vae-fooling/linear-q0.25: observed: lo: 0.22 in the first, "
        '"-Infinity" in the second',
        'digits-vae-fooling/linear-q0.25: verdict: "holds" in the first, "violated" in the second',
        "simplex-models/K=50, eps=1: only in the first",
    ]


def test_terminal_table_is_worst_first_and_ends_with_the_level(fake):
    stream = io.StringIO()
    report.show(fake, Console(file=stream, width=90))
    lines = stream.getvalue().splitlines()
    words = [line.split("  ")[0].strip() for line in lines[1:-1] if line[0] != " "]
    assert words == [row["verdict"] for row in fake["rows"]]
    assert lines[-1] == (
        "1 violated, 1 error, 3 undecided, 1 vacuous, 1 not applicable, 1 skipped, 12 holds; "
        "family-wise error level 1 %"
    )


def test_an_empty_report_can_be_written_and_shown(tmp_path):
    empty = report.assemble(fake_about(commands={}), [])
    report.write(empty, tmp_path)
    assert report.load(tmp_path) == empty
    report.show(empty, Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("lo", "hi", "text"),
    [
        (0.5, 0.5, ""),
        (0.31, 0.330001, "[0.31, 0.3301]"),  # outwards
        (0.47339123, 0.47339867, "[0.4733912, 0.4733987]"),
        (-math.inf, 0.25, "[-∞, 0.25]"),
        (0.0, 1.0, "[0, 1]"),
        (1e-12, 3e-12, "[1e-12, 3e-12]"),
        (None, 1.0, ""),
    ],
)
def test_bands_are_rounded_outwards_to_the_digits_of_their_width(lo, hi, text):
    assert band(lo, hi) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("Infinity", "∞"),
        ("-Infinity", "-∞"),
        (0, "0"),
        (-0.0, "0"),
        (2000, "2000"),
        (0.47341234, "0.47341"),
        (1e-9, "1e-09"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_clean_keeps_text_and_drops_what_acts():
    assert clean("a\x1bb\u202ec\ud800\nd\te") == "a�b�c�\nd\te"
    assert clean("x" * 50, 10) == "x" * 9 + "…"


def tables(title="Table 1"):
    rows = (("error", 0.125, None), ("radius", math.inf, "n/a"))
    return [Table(title, ("", "ours", "theirs"), rows, "a note")]


def test_tables_are_shown_in_every_form(tmp_path):
    with_tables = report.assemble(fake_about(), fake_outcomes(), tables(f"Table {HOSTILE}"))
    report.write(with_tables, tmp_path)
    assert report.load(tmp_path)["tables"] == with_tables["tables"]
    found = check_harmless((tmp_path / "report.html").read_text("utf-8"))
    text = " ".join(found.text)
    assert ("href", "#table-1") in found.attributes
    assert ("id", "table-1") in found.attributes
    assert "a note" in text
    assert "0.125" in text
    assert "∞" in text
    console = Console(file=io.StringIO(), width=120)
    report.show(with_tables, console)
    assert "0.125" in console.file.getvalue()


def test_a_budget_is_shown_beside_the_time_taken_and_compared_with_nothing(fake, tmp_path):
    budget = {
        "parts": [
            {"name": f"table a {HOSTILE}", "expected": 1200.0, "taken": 1500.0},
            {"name": "rows that need no table", "expected": 0.0, "taken": 0.0},
        ],
        "expected": 1200.0,
        "taken": 1500.0,
        "wall": 600.0,
    }
    found = report.assemble(fake_about(), fake_outcomes(), (), budget)
    report.write(found, tmp_path)
    assert report.load(tmp_path) == found
    text = " ".join(check_harmless((tmp_path / "report.html").read_text("utf-8")).text)
    assert "25 min of work, where 20 min of processor time were expected" in text
    assert "2.9 min of wall time, where 10 min were expected" in text
    assert "rows that need no table" not in text  # it took nothing
    console = Console(file=io.StringIO(), width=120)
    report.show(found, console)
    assert "25 min of work, 20 min expected" in console.file.getvalue()
    assert report.compare(fake, found) == []
    for unknown in ({**budget, "expected": None, "wall": None}, {**budget, "expected": 0.0}):
        report.write(report.assemble(fake_about(), fake_outcomes(), (), unknown), tmp_path)
        assert report.load(tmp_path)["budget"] == unknown
        assert "were expected" not in (tmp_path / "report.html").read_text("utf-8")
    for bad in ({**budget, "taken": -1.0}, {**budget, "more": 1}, {"parts": []}):
        report.write({**found, "budget": budget}, tmp_path)
        (tmp_path / "report.json").write_text(json.dumps({**found, "budget": bad}))
        with pytest.raises(ValueError, match="at budget"):
            report.load(tmp_path)


def test_tables_that_differ_are_named_and_ragged_ones_refused(fake, tmp_path):
    with_tables = report.assemble(fake_about(), fake_outcomes(), tables())
    (line,) = report.compare(fake, with_tables)
    assert line.startswith("tables: [] in the first")
    with pytest.raises(ValueError, match="needs 2 cells"):
        Table("", ("a", "b"), (("only",),), "")
    with_tables["tables"][0]["rows"][0].append("one too many")
    (tmp_path / "report.json").write_text(json.dumps(with_tables))
    with pytest.raises(ValueError, match="a cell for each column"):
        report.load(tmp_path)
