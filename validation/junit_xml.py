"""The report as JUnit XML, the format that continuous-integration services read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from xml.etree import ElementTree

from validation.display import band, clean, number
from validation.experiment import Json

_TAGS = {"violated": "failure", "error": "error"}  # every other verdict but holds: skipped


def junit(report: Mapping[str, Json]) -> bytes:
    """Return one suite per subject with one case per row, well-formed whatever the texts hold.

    A violated claim is a failure and an error an error. What could not be decided, says nothing,
    does not apply or was left out is skipped, with the verdict and its reason as the message.
    """
    root = ElementTree.Element("testsuites", name="robust-theory")
    rows = sorted(report["rows"], key=lambda row: row["subject"])
    for subject, group in groupby(rows, key=lambda row: row["subject"]):
        cases = list(group)
        tags = [_TAGS.get(row["verdict"], "skipped") for row in cases if row["verdict"] != "holds"]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=clean(subject),
            tests=str(len(cases)),
            failures=str(tags.count("failure")),
            errors=str(tags.count("error")),
            skipped=str(tags.count("skipped")),
            time=f"{sum(row['seconds'] for row in cases):.3f}",
            timestamp=clean(report["about"]["started"]),
        )
        for row in cases:
            _case(suite, row)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ElementTree.Element, row: Mapping[str, Json]) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=clean(f"{row['subject']}.{row['claim']}"),
        name=clean(row["seed_key"]),
        time=f"{row['seconds']:.3f}",
    )
    if row["verdict"] == "holds":
        return
    tag = _TAGS.get(row["verdict"], "skipped")
    message = clean(f"{row['verdict']}: {row['reason']}")
    detail = ElementTree.SubElement(case, tag, message=message)
    if tag != "skipped":
        detail.set("type", row["verdict"])
    theory, observed = row["theory"], row["observed"]
    detail.text = clean(
        f"theory {row['relation']} {number(theory['value'])}, observed {number(observed['value'])} "
        f"{band(observed['lo'], observed['hi'])}\nreproduce: {row['command']}"
    )
