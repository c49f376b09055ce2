# Every target is one line that calls the module which does the work. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3# the interpreter that .venv is made of: 3.11 or newer
PROFILE ?= lecture# smoke, lecture or full
JOBS ?= auto# processes that share the tests

RUN := .venv/bin/python
PYTEST := $(RUN) -m pytest -n $(JOBS) --maxprocesses 4 --dist loadfile
# A chosen interpreter is an order, the default one a suggestion: an environment that works is kept.
CHOSEN := $(if $(filter command% environment%,$(origin PYTHON)),--strict)

# Tools keep their settings and caches in a home; where there is none, as in some containers, the build folder is one.
ifeq ($(HOME),)
export HOME := $(CURDIR)/build/home
endif

.PHONY: help env lab lecture book slides quick test test-all generate outputs bench lock clean check

help:  ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

env:  ## build .venv from requirements.lock (every other target does so when needed); PYTHON=, TORCH=cpu
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and "The course needs Python 3.11 or newer; $(PYTHON) is " + v + ". Name another one: make PYTHON=python3.12")'
	@$(PYTHON) tools/bootstrap.py $(CHOSEN) $(if $(TORCH),--torch $(TORCH))

lab: env  ## open JupyterLab on the lectures; PORT=, PYTHON=, TORCH=cpu
	@$(RUN) tools/lab.py $(if $(PORT),--port $(PORT))

lecture: env  ## run one lecture without a browser: NAME=10_dncnn, PROFILE=smoke|lecture|full
	@$(RUN) -m course_lib.cli run $(or $(NAME),$(error name the lecture: make lecture NAME=10_dncnn)) --profile $(PROFILE)

book: env  ## run the lectures that changed and build the website in build/
	@$(RUN) -m tools.book

slides: env  ## build the slide decks in build/; NAME=10_dncnn, PROFILE=smoke|lecture|full
	@$(RUN) -m tools.slides $(NAME) --profile $(PROFILE)

check: env
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check --quiet lectures/src exercises/src || { echo "Format the cells: .venv/bin/ruff format lectures/src exercises/src" >&2; exit 1; }
	@$(RUN) -m tools.notebooks --check
	@$(RUN) -m tools.exercises --check
	@$(RUN) -m course_lib.cli claims stale

quick: check  ## lint, stale files and the fast tests; before every commit
	@$(PYTEST) -m "not slow and not full" tests

test: check  ## what CI runs: lint, stale files, tests, doctests, every lecture at smoke
	@$(RUN) -m tools.vendor
	@$(PYTEST) -m "not full" --doctest-modules --nbval-lax --ignore lectures/src tests course_lib lectures

test-all: check  ## the complete suites, long ones and comparisons with peers too; before an issue is called resolved
	@$(RUN) tools/bootstrap.py --oracles
	@$(RUN) -m tools.vendor
	@$(PYTEST) --doctest-modules --nbval-lax --ignore lectures/src tests course_lib lectures

generate: env  ## write what is generated: notebooks, stored cases, the list of public names
	@$(RUN) -m tools.notebooks && $(RUN) -m tools.exercises && $(RUN) -m tools.public_names

outputs: env  ## run the lectures and store the text of their compared cells
	@$(RUN) -m tools.notebooks --outputs

bench: env  ## measure the library beside its named peers
	@$(RUN) -m benchmarks

lock: env  ## resolve the two locks anew; UPGRADE=1 moves to the newest versions
	@$(RUN) tools/bootstrap.py --lock $(if $(UPGRADE),--upgrade)

clean:  ## remove what was built, not .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
