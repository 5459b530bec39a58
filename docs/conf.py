"""Sphinx configuration. Build with ``make docs``; the pages need no network to show."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generated_pages

import robust_theory  # noqa: F401  (fails here, in one line, when it is not installed)

project = "robust-theory"
author = "the robust-theory authors"
copyright = "2026, the robust-theory authors"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_proof",
    "sphinxcontrib.bibtex",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_static", "gallery_src", "README.md"]
templates_path = ["_templates"]
default_role = "code"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "robust-theory"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
SINGLE = ("your-network", "report", "results", "benchmarks", "design")  # without subpages
html_sidebars = {page: [] for page in SINGLE}
html_show_sourcelink = False
mathjax_path = "mathjax/tex-svg-full.js"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections say types, shapes and units in words
autodoc_inherit_docstrings = False  # torch explains forward() in its own terms
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"

sphinx_gallery_conf = {
    "examples_dirs": "gallery_src",
    "gallery_dirs": "gallery",
    "download_all_examples": False,
    "backreferences_dir": None,
    "show_signature": False,
    "write_computation_times": False,  # those pages load scripts from the network
}


def escape_bars(app, what, name, obj, options, lines):
    """Docstrings write norms with bars, as in |z|, which reST would read as substitutions."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            pieces = re.split(r"(`[^`]+`)", line)
            pieces[::2] = [piece.replace("|", r"\|") for piece in pieces[::2]]
            lines[i] = "".join(pieces)


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("config-inited", lambda app, config: generated_pages.write(Path(app.srcdir)))
