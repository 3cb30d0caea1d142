# make demo | test | check | bench | clean. The plain commands are in README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test check slow bench clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[plots]"
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/foreseal demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev,bench]"
	$(BIN)/python -m pip install --quiet --no-deps fracast flaircast
	@touch $@ $(VENV)/.dev $(VENV)/.demo

bench: $(VENV)/.bench
	$(BIN)/python -m bench.store
	$(BIN)/python -m bench.seal
	$(BIN)/python -m bench.chain
	$(BIN)/python -m bench.loops
	$(BIN)/python -m bench.parts
	$(BIN)/python -m bench.anomalies
	$(BIN)/python -m bench.pretrained
	$(BIN)/python -m bench.forecast --panel development --every 8 --against ets,theta,mstl,ces,fracast,flair

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
