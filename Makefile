# Two commands do all the set-up: `make demo` and `make test`. Both first make .venv.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGE := astro_assets tests bench

.PHONY: demo test test-fast torture install check format lint types contracts ui images clean

demo: $(INSTALLED)
	$(BIN)/astro-assets demo

test: $(INSTALLED)
	$(BIN)/pytest -n 2 -m "not gpu and not torture" --doctest-modules tests astro_assets

test-fast: $(INSTALLED)
	$(BIN)/pytest -n 2

# Random faults and kills in full numbers; the suite runs a few of them.
torture: $(INSTALLED)
	$(BIN)/pytest -n 2 -m torture -rP

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(NEW_ENOUGH)' \
	  || { echo "Python 3.11 or newer is needed. Give one with PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

check: lint types contracts test

format: $(INSTALLED)
	$(BIN)/ruff format $(PACKAGE)
	$(BIN)/ruff check --fix $(PACKAGE)

lint: $(INSTALLED)
	$(BIN)/ruff format --check $(PACKAGE)
	$(BIN)/ruff check $(PACKAGE)

types: $(INSTALLED)
	$(BIN)/mypy

contracts: $(INSTALLED)
	$(BIN)/lint-imports

ui: $(INSTALLED)
	$(BIN)/astro-assets ui

# Both images without a Docker engine, and the smoke training through them; as root (docker/build.sh).
images:
	docker/build.sh

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
