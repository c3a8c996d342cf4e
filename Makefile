# Two commands: `make book` (simulate the demo cohort, run every chapter, build the book) and
# `make test`. Both set up .venv first, again only when requirements.lock changes.
# The first interpreter that is recent enough; .ci/bootstrap.py says so if none is.
PYTHON ?= $(or $(shell for p in python3 python3.12 python3.11 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done),python3)
BIN := .venv/bin
CORES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
COHORT ?= data/demo/cohort.yml

.PHONY: book test test-all check setup lock clean

book: setup
ifeq ($(COHORT),data/demo/cohort.yml)
	@$(BIN)/relapse-book simulate demo --out data/demo
endif
	@$(BIN)/relapse-book build "$(COHORT)" --cores $(CORES)

# What must be green before every commit: style, types, layers and the fast tests.
test: check

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -n $(CORES) -m "not slow"

# Everything, also what takes minutes.
test-all: check
	@$(BIN)/pytest -n 2 -m slow

setup:
	@$(PYTHON) .ci/bootstrap.py

lock: setup
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --quiet --output-file requirements.lock

clean:
	rm -rf results data/demo
