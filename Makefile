# All that a developer does with Limner, from Python 3.11 or newer, make, and a package index.
#
# Setting up happens by itself where a target needs it, and again only when pyproject.toml or
# constraints.txt change. pip's own variables (PIP_INDEX_URL, PIP_FIND_LINKS, …) are honoured.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.limner-ready
PYTEST_ARGS ?= -n auto --maxprocesses 8
# The recipe has no test samples; the demo sets some aside, so that its scores are of pictures never seen.
DEMO_SETTINGS ?= training.time=4m data.split=70:15:15

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup browser demo test test-slow lint types layers check docs format pins clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(READY)  ## make .venv and install Limner and its tools into it
	@.ci/browser --check || echo "Tests of the page are skipped without a browser: make browser"

browser: $(READY)  ## install a browser for the tests of the page, if there is none
	.ci/browser

# Tests run one process per core; a second layer of threads inside each would only fight over them.
test test-slow: export OMP_NUM_THREADS := 1

test: $(READY)  ## run the tests (PYTEST_ARGS="tests/data -x" for some of them)
	$(BIN)/pytest $(PYTEST_ARGS)

test-slow: $(READY)  ## run the tests that take longer: whole trainings
	$(BIN)/pytest $(PYTEST_ARGS) -m "slow and not gpu"

lint: $(READY)  ## check style, format, and that the generated reference pages are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python docs/generate.py --check

types: $(READY)  ## check the types
	$(BIN)/mypy

layers: $(READY)  ## check that imports run one way
	$(BIN)/lint-imports

check: test test-slow lint types layers  ## everything that CI runs

demo: $(READY)  ## from experts' traced copies to masks, a model, a report and predictions (a few minutes)
	rm -rf demo
	$(BIN)/limner sample cardiac demo/data
	$(BIN)/limner train --recipe cardiac demo/data -o demo/run $(DEMO_SETTINGS)
	$(BIN)/limner predict demo/run "demo/data/Traced/SQ/Untraced Copies" -o demo/predictions --overlay
	@echo "Report:      $(CURDIR)/demo/run/report.html"
	@echo "Predictions: $(CURDIR)/demo/predictions"

docs: $(READY)  ## write the reference pages anew from the code
	$(BIN)/python docs/generate.py

format: $(READY)  ## format the code and repair what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pins: $(READY)  ## write what is installed into constraints.txt
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/python -m pip freeze --all --exclude-editable \
		| grep -Eiv '^(pip|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==' | sed 's/+.*//' | sort -f; } > constraints.tmp
	mv constraints.tmp constraints.txt
	touch $(READY)

clean:  ## remove what was made here, .venv too
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# pip 25.1 is the first that installs dependency groups.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "Limner needs Python 3.11 or newer, and there is no '$(PYTHON)' here." >&2; \
		echo "Install one, or name yours: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Limner needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name a newer one: make setup PYTHON=python3.13" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make a virtual environment: its ensurepip module is missing." >&2; \
		echo "On Debian and Ubuntu, install the package python3-venv; elsewhere, a complete Python." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install 'pip>=25.1'
	$(BIN)/python -m pip install -c constraints.txt -e . --group dev
	@touch $@
