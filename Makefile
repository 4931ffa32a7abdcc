# What a contributor runs. `make` alone lists the targets. PYTHON=... chooses the interpreter of `make setup`.
PYTHON ?= python3.11
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: help setup test test-python lint format docs bench against digests dist ci clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## virtual environment with everything, and the pre-commit hooks
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c constraints.txt -e ".[dev]"
	$(VENV)/bin/pre-commit install

test: ## all tests, in two processes; T="tests/spaceworld -k slot" runs some
	$(RUN) -m pytest $(or $(T),-n 2 --dist loadfile)

test-python: ## a short selection of the tests by another Python: make test-python V=3.12
	.ci/other-python $(V)

lint: ## lint, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: ## repair what ruff can repair
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: ## the documentation site, into site/
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

bench: ## speed of environments, wrappers and learners on this machine
	$(RUN) -m tests.benchmarks.env_speed
	$(RUN) -m tests.benchmarks.spaceworld_speed
	$(RUN) -m tests.benchmarks.learner_speed

against: ## speed against another checkout, interleaved: make against OTHER=../before
	$(RUN) -m tests.benchmarks.against $(OTHER)

digests: ## what must not change in a refactoring: compare the output before and after (minutes)
	$(RUN) -m tests.benchmarks.digests

dist: ## source distribution and wheel, into dist/
	$(RUN) -m build

ci: ## what the forge and .ci/run check, in a clean clone
	.ci/run

clean: ## what can be made again
	rm -rf .ci-work build dist site .venv-3.* *.egg-info
