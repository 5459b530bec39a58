"""Print every claim's statement as MathML, once, for the reports to carry.

Run after changing a statement; needs Node.js and npm, which nobody else needs::

    python docs/tools/render_formulas.py

Writes ``validation/formulas.json``, from the LaTeX of a statement to its MathML.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from robust_theory.catalogue import CLAIMS

KATEX = "katex@0.16.22"
TARGET = Path(__file__).parents[2] / "validation" / "formulas.json"
SCRIPT = """
const katex = require("katex");
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const options = { output: "mathml", displayMode: true, throwOnError: true, strict: "error" };
const rendered = formulas.map((formula) => [formula, katex.renderToString(formula, options)]);
process.stdout.write(JSON.stringify(Object.fromEntries(rendered)));
"""


def render(formulas: list[str]) -> dict[str, str]:
    """Return the MathML of each LaTeX formula; an error names the one that KaTeX refuses."""
    with tempfile.TemporaryDirectory() as place:
        install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run([*install, KATEX], cwd=place, check=True)
        answer = subprocess.run(
            ["node", "-e", SCRIPT],
            cwd=place,
            input=json.dumps(formulas),
            stdout=subprocess.PIPE,
            check=True,
            encoding="utf-8",
        )
    return {formula: _for_html(page) for formula, page in json.loads(answer.stdout).items()}


def _for_html(page: str) -> str:
    """Drop the wrapper, which is for a style sheet, and the namespace, which HTML does not need."""
    page = page.removeprefix('<span class="katex">').removesuffix("</span>")
    page = page.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    # As an accent, the bar over a letter touches it in most fonts and is lost at text size.
    return re.sub(
        '<mover accent="true">(<mi[^>]*>[^<]*</mi>)<mo>\N{MODIFIER LETTER MACRON}</mo></mover>',
        "<mover>\\1<mo>\N{HORIZONTAL BAR}</mo></mover>",
        page,
    )


def main() -> None:
    """Render the statements of the catalogue."""
    rendered = render(sorted({claim.statement for claim in CLAIMS}))
    text = json.dumps(rendered, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    TARGET.write_text(text, encoding="utf-8")
    print(f"{len(rendered)} formulas in {TARGET}")


if __name__ == "__main__":
    main()
