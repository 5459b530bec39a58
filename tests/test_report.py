"""The report: complete, strict, safe to open whatever the texts in it hold, the same every time."""

import io
import json
import math
import re
import shlex
from dataclasses import asdict, replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console
from scipy.special import ndtr

from robust_theory.claim import A_DISTANCE, A_PROBABILITY, ANY_NUMBER, Claim, Interval
from validation import page, plots, report
from validation.display import axis, band, clean, natural, number
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Options,
    Outcome,
    Row,
    Table,
    json_number,
)
from validation.verdict import WORDS, Evidence, decide

ROW_ALPHA = 0.01 / 412


def _claim(name, relation, possible, statement, broken=lambda value, form="sharp": ()):
    return Claim(
        name=name,
        source="fawzi2018, Theorem 1, eq. (1)",
        formula=lambda: statement,
        relation=relation,
        value=lambda value, form="sharp": value,
        enclosure=lambda value, form="sharp": Interval(value, value),
        broken_hypotheses=broken,
        possible=possible,
    )


FOOLING = _claim(
    "latent-fooling-probability",
    ">=",
    A_PROBABILITY,
    r"\mathbb{P}\left(r_Z \le \varepsilon\right) \ge 1 - \sum_{i=1}^{K}"
    r"\left[\Phi\left(a_i + \varepsilon\right) - \Phi(a_i)\right]^{-1}",
)
RADIUS = _claim(
    "expected-latent-radius",
    "<=",
    A_DISTANCE,
    r"\mathbb{E}\,r_Z \le \sum_{i=1}^{K} \left( -a_i\,\Phi(-a_i) + \frac{e^{-a_i^2/2}}"
    r"{\sqrt{2\pi}} \right)",
    lambda value, form="sharp": ("class measures must sum to 1, got 0.6",) if value == 0.6 else (),
)
SIMPLEX = _claim(
    "simplex-argmax-law",
    "==",
    ANY_NUMBER,
    r"\mathbb{P}\left(r_Z \le \varepsilon\right) = 1 - \left[1 - \Phi(\varepsilon)\right]^{K}",
)
CDF = Experiment(
    "digits-vae-fooling",
    FOOLING,
    "latent",
    "share of latents fooled within the radius",
    "probability",
    "l2",
    "The claim says that no classifier can keep the blue curve below the dashed one: the share of "
    "images that a latent step of the given length can change the label of is at least this.",
    "radius in latent space",
    instances=lambda options: (),
    measure=lambda *_: None,
)
MEAN = replace(
    CDF,
    name="digits-vae-radius",
    claim=RADIUS,
    quantity="mean radius",
    unit="latent distance",
    reading="Each point is the mean distance to the nearest other label; the claim puts it on the "
    "left of the tick, and in the second plot left of zero.",
)
EXACT = replace(
    CDF,
    name="simplex-models",
    claim=SIMPLEX,
    subject="models",
    quantity="share of points within the radius",
    reading="The exact law against a count of sampled points: the bands should contain zero.",
)


def outcome(experiment, name, value, evidence, curve=None, **parameters):
    verdict = decide(experiment.claim, {"value": value}, evidence)
    fields = asdict(evidence) | {
        k: json_number(getattr(evidence, k)) for k in ("value", "lo", "hi")
    }
    values = {
        "arguments": {"value": value},
        "evidence": fields,
        "theory": {name: json_number(value) for name in ("value", "lo", "hi")},
        "verdict": verdict.word,
        "reason": verdict.reason,
        "detectable": json_number(verdict.detectable),
        "curve": curve and asdict(curve),
    }
    row = Row(experiment, Instance(name, parameters))
    return Outcome(row, values, seconds=12.34, artifacts=(f"artifacts/{name}.npz",))


def fake_outcomes():
    """Twenty rows of three claims with every verdict."""
    radii = np.linspace(0, 2.5, 121)
    theory = np.clip(2 * ndtr(radii) - 1, 0, 1)
    outcomes = []
    for name, gain in (("linear", 1.25), ("mlp", 1.5), ("cnn", 1.06)):
        seen = 2 * ndtr(gain * radii) - 1
        curve = Curve(
            f"{name.upper()}, 2000 latents",
            *(tuple(map(float, c)) for c in (radii, theory, seen)),
            lo=tuple(map(float, np.clip(seen - 0.036, 0, 1))),
            hi=tuple(map(float, np.clip(seen + 0.036, 0, 1))),
        )
        for quantile in (0.25, 0.75):
            v = float(np.interp(quantile, seen, theory))
            evidence = Evidence(
                quantile,
                quantile - 0.03,
                quantile + 0.03,
                "lower",
                "verified attack radii",
                n=2000,
                censored=3,
                alpha=ROW_ALPHA,
            )
            outcomes.append(
                outcome(
                    CDF, f"{name}-q{quantile}", v, evidence, curve, classifier=name, latents=2000
                )
            )
    low = theory * 0.72
    false_curve = Curve(
        "planted", *(tuple(map(float, c)) for c in (radii, theory, low, low - 0.03, low + 0.03))
    )
    grid = Evidence(0.52, 0.49, 0.55, "exact", "exact radii on a grid", n=2000, alpha=ROW_ALPHA)
    outcomes.append(outcome(CDF, "planted-q0.75", 0.7, grid, false_curve, classifier="planted"))
    for k in (2, 10, 100):
        evidence = Evidence(
            0.341 / k**0.2,
            0.31 / k**0.2,
            0.37 / k**0.2,
            "upper",
            "attack radii",
            n=2000,
            alpha=ROW_ALPHA,
        )
        outcomes.append(outcome(MEAN, f"K={k}", 0.8 / k**0.22, evidence, K=k))
    weak = Evidence(0.9, math.inf, math.inf, "upper", "attack radii", 2000, 700, ROW_ALPHA)
    weak = replace(weak, value=math.inf, lo=0.85)
    outcomes.append(outcome(MEAN, "K=10, weak attack", 0.4734, weak, K=10, steps=2))
    outcomes.append(outcome(MEAN, "constant classifier", math.inf, weak, K=1))
    outcomes.append(outcome(MEAN, "measures that lack a class", 0.6, weak, measures=[0.2, 0.4]))
    row = Row(MEAN, Instance("resnet on cifar", {"classifier": "resnet"}))
    outcomes.append(Outcome(row, None, skipped="needs --suite full"))
    row = Row(MEAN, Instance("K=1000", {"K": 1000}))
    outcomes.append(Outcome(row, None, error="digits/classifier-cnn: worker killed three times"))
    for k in (2, 3, 5, 10, 50):
        value = 1 - (1 - 0.317) * 0.7 ** (k / 2.6 - 0.77)
        evidence = Evidence(value + 0.003 * math.cos(k), value - 0.009, value + 0.011, "exact",
                            "exact radii of sampled points", 200_000, 0, ROW_ALPHA)  # fmt: skip
        outcomes.append(outcome(EXACT, f"K={k}, eps=1", value, evidence, K=k, eps="1"))
    return outcomes


def fake_about(**changes):
    return {
        "version": "0.1.0",
        "seed": 7,
        "suite": "quick",
        "options": asdict(Options()),
        "names": ["latent", "models"],
        "alpha": 0.01,
        "row_alpha": ROW_ALPHA,
        "rows_in_catalogue": 412,
        "command": "validate run latent models --seed 7 --out runs/first",
        "started": "2026-01-15T09:30:00+00:00",
        "wall_seconds": 171.4,
        "jobs": 2,
        "hardware": {"machine": "x86_64", "cpu": "2 cores", "memory": "8 GiB", "accelerator": None},
        "commands": {
            o.row.key: shlex.join(["validate", "run", "--seed=7", o.row.key])
            for o in fake_outcomes()
        },
        "versions": {"python": "3.11.9", "numpy": "2.3.1", "torch": "2.13.0"},
        **changes,
    }


@pytest.fixture(scope="module")
def fake():
    return report.assemble(fake_about(), fake_outcomes())


@pytest.fixture(scope="module")
def written(fake, tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    report.write(fake, directory)
    return directory


HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"><svg/onload=alert(3)>"
    " {{ 7*7 }} {% raw %} $\\frac{1}{0}$ $x$ %s --> <!-- ]]> & &lt; javascript:alert(4)"
    " https://example.org/ \x00\x07\x1b[31m\u202egnp.\u2066 \ud800 \ufffe 漢字 🙂 '; --\n next"
)


class Tags(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page_text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], []
        self.feed(page_text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


# Everything a page may hold: none of them loads, runs or submits anything.
HARMLESS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer"),
    *("section", "figure", "figcaption", "details", "summary", "h1", "h2", "h3", "h4", "p", "a"),
    *("span", "div", "dl", "dt", "dd", "ol", "li", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "defs", "path", "use", "text", "tspan", "clippath", "rect", "circle"),
    *("math", "semantics", "annotation", "mrow", "mi", "mo", "mn", "msub", "msup", "msubsup"),
    *("mfrac", "msqrt", "mroot", "munderover", "munder", "mover", "mtext", "mspace", "mstyle"),
    *("mpadded", "mtable", "mtr", "mtd"),
}


def check_harmless(text):
    found = Tags(text)
    assert found.tags <= HARMLESS
    for name, value in found.attributes:
        assert not name.startswith("on"), (name, value)
        assert name != "src"
        if name in ("href", "xlink:href"):
            assert value.startswith("#") or value == "data:,"
        if name in ("style", "clip-path"):
            assert "url(" not in value.replace("url(#p", "")
    styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    assert len(styles) == 1
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2066\ud800-\udfff]", text)
    return found


def poisoned(value):
    """The same report with a hostile string in every text, name and list that may hold one."""
    if isinstance(value, dict):
        return {key: poisoned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return value + HOSTILE if isinstance(value, str) else value


def poisoned_report(fake):
    rows = []
    for row in fake["rows"]:
        safe = {"relation", "verdict", "theory", "observed", "curve", "detectable"}
        new = {key: row[key] if key in safe else poisoned(row[key]) for key in row}
        new["parameters"][HOSTILE] = [HOSTILE, {HOSTILE: HOSTILE}]
        new["theory"] = {**row["theory"], "form": HOSTILE}
        if row["observed"]["method"]:
            new["observed"] = {**row["observed"], "method": HOSTILE}
        if row["curve"]:
            new["curve"] = {**row["curve"], "label": HOSTILE}
        rows.append(new)
    about = poisoned(fake["about"])
    about["hardware"][HOSTILE] = about["versions"][HOSTILE] = about["options"][HOSTILE] = HOSTILE
    return {**fake, "about": about, "rows": rows}


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


def test_matplotlib_settings_of_the_user_do_not_matter(fake):
    import matplotlib

    before = page.html(fake)
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert page.html(fake) == before
        assert matplotlib.rcParams["font.size"] == 30


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


def test_page_is_self_contained_and_begins_with_the_counts(fake, written):
    text = (written / "report.html").read_text("utf-8")
    found = check_harmless(text)
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text
    heading = re.search(r"<body>\s*<header>\s*<h1>(.*?)</h1>", text, re.DOTALL)[1]
    words = " ".join(re.sub("<[^>]*>", " ", heading).split())
    for word in WORDS:
        assert f"{fake['counts'][word]} {word}" in words
    assert words.endswith("family-wise error level 1 %")
    shown = " ".join(found.text)
    for row in fake["rows"]:
        assert row["command"] in shown
    for fact in ("2.13.0", "x86_64", "2.9 min", fake["about"]["command"], CDF.reading):
        assert fact in shown


def test_page_shows_worst_rows_first_and_links_lead_somewhere(fake, written):
    text = (written / "report.html").read_text("utf-8")
    table = text[text.index("<tbody") : text.index("</tbody>")]
    positions = [table.index(f">{row['seed_key']}</a>") for row in fake["rows"]]
    assert positions == sorted(positions)
    attributes = Tags(text).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in attributes if name == "href" and value[0] == "#"} <= {*ids}


def test_plots_have_labels_with_units_and_words_for_those_who_cannot_see_them(fake):
    rows = [row for row in fake["rows"] if row["experiment"] == CDF.name]
    drawn = plots.curves(rows, most=12)
    assert [len(panel.rows) for panel in drawn] == [1, 2, 2, 2]  # rows with one curve share a plot
    for panel in drawn:
        assert "radius in latent space (ℓ₂)" in panel.svg
        assert "share of latents fooled within the radius (probability)" in panel.svg
        root = ElementTree.fromstring(panel.svg)
        assert root.get("role") == "img"
        assert panel.rows[0]["verdict"] in root.get("aria-label")
    assert len(plots.curves(rows, most=2)) == 2
    rows = [row for row in fake["rows"] if row["experiment"] == EXACT.name]
    assert plots.curves(rows, most=12) == []
    both, difference = plots.intervals(rows, most=40)
    assert "share of points within the radius (probability, ℓ₂)" in both.svg
    assert "observed − theory" in difference.svg
    assert "= 0.31681" in ElementTree.fromstring(both.svg).get("aria-label")


def test_colours_come_from_the_page(fake):
    for panel in plots.intervals(fake["rows"], 40) + plots.curves(fake["rows"], 12):
        assert "var(--theory)" in panel.svg
        assert "#0102" not in panel.svg
        assert "font-family" not in panel.svg


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.0, 1e-300, 1e300])
def test_plots_hold_extreme_numbers(fake, value):
    row = next(row for row in fake["rows"] if row["experiment"] == EXACT.name)
    number_ = json_number(value)
    row = {**row, "theory": {"value": number_, "lo": number_, "hi": number_, "form": None}}
    assert len(plots.intervals([row], 40)) == 2
    values = [number_, 0.5, number_]
    curve = dict.fromkeys(plots.LINES, values)
    row["curve"] = {"label": "", "x": [0, 1, 2], **curve}
    assert len(plots.curves([row], 40)) == 1
    row["curve"] = {"label": "", "x": [0.0], **{name: [number_] for name in curve}}
    assert len(plots.curves([row], 40)) == 1
    row["curve"] = {"label": "", "x": [], **{name: [] for name in curve}}
    assert len(plots.curves([row], 40)) == 0


def test_hostile_strings_are_shown_and_do_nothing(fake, tmp_path):
    hostile = poisoned_report(fake)
    report.write(hostile, tmp_path)
    assert report.load(tmp_path) == hostile
    text = (tmp_path / "report.html").read_text("utf-8")
    found = check_harmless(text)
    shown = "".join(found.text)
    assert "{{ 7*7 }}" in shown
    assert "$\\frac{1}{0}$" in shown
    root = ElementTree.fromstring((tmp_path / "junit.xml").read_bytes())
    assert len(root.findall(".//testcase")) == 20
    stream = io.StringIO()
    report.show(hostile, Console(file=stream, force_terminal=True, width=100))
    without_colours = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())
    assert "\x1b" not in without_colours
    assert "\x07" not in without_colours
    assert "\x1b[31malert" not in stream.getvalue()


def test_hostile_strings_in_plots_are_text(fake):
    hostile = poisoned_report(fake)["rows"]
    drawn = plots.curves(hostile, 12) + plots.intervals(hostile, 40)
    assert drawn
    for panel in drawn:
        root = ElementTree.fromstring(panel.svg)
        assert {element.tag for element in root.iter()} <= {
            "svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect",
        }  # fmt: skip
    names = "".join(ElementTree.fromstring(drawn[-1].svg).itertext())
    assert "<script>" in names  # as text: mathtext would have cut or refused it


def test_an_unknown_statement_is_shown_as_latex_and_a_known_one_as_mathml(fake, monkeypatch):
    text = page.html(fake)
    assert r"<code>\mathbb{P}\left(r_Z \le \varepsilon\right)" in text
    known = {FOOLING.statement: "<math><mi>known</mi></math>"}
    monkeypatch.setattr(page.json, "loads", lambda _: known)
    assert "<math><mi>known</mi></math>" in page.html(fake)


def test_every_claim_has_a_formula_that_is_only_mathml():
    from robust_theory.catalogue import CLAIMS

    formulas = json.loads((page.HERE / "formulas.json").read_text("utf-8"))
    missing = [claim.name for claim in CLAIMS if claim.statement not in formulas]
    assert not missing, "run: python docs/tools/render_formulas.py"
    assert set(formulas) == {claim.statement for claim in CLAIMS}, "stale: render them again"
    for mathml in formulas.values():
        found = Tags(mathml)
        assert "math" in found.tags <= HARMLESS
        assert {name for name, _ in found.attributes} <= {
            "display", "stretchy", "fence", "mathvariant", "accent", "accentunder", "separator",
            "encoding", "width", "height", "minsize", "maxsize", "lspace", "rspace", "depth",
            "scriptlevel", "displaystyle", "columnalign", "columnspacing", "rowspacing",
            "linethickness", "voffset", "form", "largeop", "movablelimits", "symmetric",
        }  # fmt: skip


def test_a_large_report_stays_below_five_megabytes(fake, monkeypatch):
    # Twenty curves are drawn here, to save time, and the others counted at the size of the largest.
    most, here = page._CURVES, 20
    monkeypatch.setattr(page, "_CURVES", here)
    grid = np.linspace(0, 1, 400)
    rows = []
    for i in range(900):
        row = fake["rows"][-1 - i % 20 % 12]
        wave = [float(v) for v in grid + 0.1 * np.sin(grid * (i + 3))]
        curve = {"label": "", "x": [*map(float, grid)], **dict.fromkeys(plots.LINES, wave)}
        rows.append(
            {
                **row,
                "experiment": f"experiment-{i % 20}",
                "seed_key": f"experiment-{i % 20}/row-{i}",
                "curve": curve,
            }
        )
    large = {**fake, "rows": rows, "counts": {**dict.fromkeys(WORDS, 0), "holds": 900}}
    text = page.html(large)
    sizes = [len(drawing) for drawing in re.findall('<svg class="plot".*?</svg>', text)]
    assert len(sizes) == here
    assert len(text.encode()) + (most - here) * max(sizes) < page.LARGEST
    assert text.count('class="entry"') == 900


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


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        (("radius", "l2 distance", "l2"), "radius (ℓ₂ distance)"),
        (("share fooled", "probability", "linf"), "share fooled (probability, ℓ∞)"),
        (("l1 distance", "", "l1"), "ℓ₁ distance"),
        (("probability", "probability", ""), "probability"),
    ],
)
def test_axis_labels_name_unit_and_norm_once(parts, label):
    assert axis(*parts) == label


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
