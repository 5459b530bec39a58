"""The report as one HTML file that needs nothing else: no script, network, font or picture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from validation import display, plots
from validation.experiment import Json
from validation.verdict import WORDS

LARGEST = 5 * 2**20  # bytes
HERE = Path(__file__).parent
# At most so many curves in the page, curves in an experiment, and rows in an interval plot.
_CURVES, _PANELS, _INTERVALS = 60, 12, 40

SIGNS = dict(zip(WORDS, "✕!?○–›✓", strict=True))
MEANINGS = {
    "violated": "the measurement contradicts the claim beyond its error band",
    "error": "the row could not be computed",
    "undecided": "the measurement can neither confirm nor refute the claim",
    "vacuous": "at these arguments the claim is true of any number",
    "not applicable": "the arguments break a hypothesis of the claim",
    "skipped": "left out of this run",
    "holds": "the measurement confirms the claim within its error band",
}
RELATIONS = {
    "<=": ("≤", "upper bound"),
    ">=": ("≥", "lower bound"),
    "==": ("=", "exact value"),
}
SIDES = {
    "exact": "the quantity itself",
    "lower": "a stand-in that is never above the true value",
    "upper": "a stand-in that is never below the true value",
}


def html(report: Mapping[str, Json]) -> str:
    """Return the page: the same text for the same report, under 5 MB up to about 1000 rows.

    Of more curves or rows than a plot can hold the worst are drawn; the tables have all of them.
    """
    formulas = json.loads((HERE / "formulas.json").read_text("utf-8"))
    experiments = len({(row["claim"], row["experiment"]) for row in report["rows"]})
    most = min(_PANELS, max(1, _CURVES // max(1, experiments)))
    page = _render(report, formulas, most)
    return page if len(page.encode("utf-8")) < LARGEST else _render(report, formulas, 0)


def _render(report: Mapping[str, Json], formulas: Mapping[str, str], most: int) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return value if isinstance(value, Markup) else display.clean(value)

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=display.cell_text,
        number=display.number,
        percent=display.percent,
        duration=display.duration,
        settings=display.settings,
        given=_given,
        how=_how,
        drawn=Markup,  # SVG of plots.py, escaped there
    )
    environment.globals.update(
        band=display.band,
        words=WORDS,
        signs=SIGNS,
        meanings=MEANINGS,
        relations=RELATIONS,
    )
    numbered = [{**row, "number": i} for i, row in enumerate(report["rows"], 1)]
    claims = [_claim(rows, formulas, most, Markup) for rows in _grouped(numbered, "claim").values()]
    anchors = {claim["name"]: f"claim-{i}" for i, claim in enumerate(claims, 1)}
    template = environment.get_template("report.html.j2")
    return template.render(report=report, rows=numbered, claims=claims, anchors=anchors)


def _grouped(rows: Sequence[plots.Row], name: str) -> dict[str, list[plots.Row]]:
    groups: dict[str, list[plots.Row]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return groups


def _claim(
    rows: Sequence[plots.Row], formulas: Mapping[str, str], most: int, markup: type[str]
) -> dict[str, Json]:
    statement = rows[0]["statement"]
    return {
        "name": rows[0]["claim"],
        "source": rows[0]["source"],
        "relation": rows[0]["relation"],
        "statement": statement,
        "formula": markup(formulas[statement]) if statement in formulas else None,
        "experiments": [
            _experiment(group, most) for group in _grouped(rows, "experiment").values()
        ],
    }


def _experiment(rows: Sequence[plots.Row], most: int) -> dict[str, Json]:
    figures = {
        "curves": plots.curves(rows, most),
        "intervals": plots.intervals(rows, _INTERVALS if most else 0),
    }
    drawn = {row["number"] for panels in figures.values() for p in panels for row in p.rows}
    measured = [row for row in rows if row["observed"]["value"] is not None]
    ways = Counter(_how(row) for row in measured).most_common()
    return {
        "rows": rows,
        "first": rows[0],
        "figures": {kind: panels for kind, panels in figures.items() if panels},
        "left_out": len(rows) - len(drawn),
        "refuted": any(row["verdict"] == "violated" for row in rows),
        "hollow": any(row["verdict"] not in ("holds", "violated") for row in measured),
        "how": ways[0][0] if ways else "",
        "ways": len(ways),
    }


def _how(row: plots.Row) -> str:
    """The method, its side, and the error probability of its band, in a sentence."""
    observed = row["observed"]
    sentence = f"{observed['method']}; {SIDES[observed['side']]}"
    if row["alpha"]:
        sentence += f"; the band errs with probability at most {display.percent(row['alpha'])}"
    return sentence if observed["n"] else f"{sentence}; computed without sampling"


def _given(row: plots.Row) -> list[tuple[str, str]]:
    """Parameters of the row, and the claim's arguments that they do not name."""
    return display.settings({**row["parameters"], **(row["arguments"] or {}), **row["parameters"]})
