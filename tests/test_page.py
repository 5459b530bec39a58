"""The page of a report: harmless whatever the texts in it hold, and readable by everyone."""

import io
import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from tests.harmless_pages import HARMLESS, HOSTILE, Tags, check_harmless
from tests.made_report import CDF, EXACT, FOOLING
from validation import page, plots, report
from validation.display import axis
from validation.experiment import json_number
from validation.verdict import WORDS


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


def test_matplotlib_settings_of_the_user_do_not_matter(fake):
    import matplotlib

    before = page.html(fake)
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert page.html(fake) == before
        assert matplotlib.rcParams["font.size"] == 30


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
