# make validate   the theorems against real data: a table, a report, exit status 0 if nothing is violated
# make test       everything that a change must pass
# Both set up .venv by themselves. Another interpreter: make PYTHON=python3.12 validate

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# One empty file per set of extras says what is installed; its folder is named after the contents
# of the two files that decide it, so a second call installs nothing and a changed pin does.
INSTALLED := $(VENV)/installed/$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

.PHONY: validate test lint types layering docs formulas clean
.DELETE_ON_ERROR:

validate: $(INSTALLED)/all
	@$(BIN)/validate run --suite quick

test: $(INSTALLED)/all,test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(INSTALLED)/all,test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(INSTALLED)/all,test
	@$(BIN)/mypy

layering: $(INSTALLED)/all,test
	@$(BIN)/python -m pytest -q tests/test_layering.py

docs: $(INSTALLED)/all,docs
	@$(BIN)/sphinx-build -W -n --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# The report's formulas, rendered once by a developer who has Node.js; the result is committed.
formulas: $(INSTALLED)/all
	@$(BIN)/python docs/tools/render_formulas.py

clean:
	rm -rf $(VENV) build dist docs/_build docs/api/generated docs/benchmarks.md docs/results.md docs/gallery docs/theory/claims

$(INSTALLED)/%: | $(BIN)/python
	@echo "Installing robust-theory[$*] into $(VENV), once; this can take some minutes."
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[$*]"
	@mkdir -p $(@D) && touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "robust-theory needs Python 3.11 or newer, and there is no $(PYTHON). Try: make PYTHON=/path/to/python3.11 validate" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "robust-theory needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -c 'import platform; print(platform.python_version())'). Try: make PYTHON=python3.11 validate" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing or broken; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
