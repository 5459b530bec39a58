"""What a page may hold, and a text that tries everything else."""

import re
from html.parser import HTMLParser

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
