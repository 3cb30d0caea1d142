# make demo | test | check | anvil | bench | clean. The plain commands are in README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test check slow anvil bench clean

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

# Two files at a time: most of the time goes into servers, disks and other processes.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev,bench]"
	$(BIN)/python -m pip install --quiet --no-deps fracast flaircast
	@touch $@ $(VENV)/.dev $(VENV)/.demo

# A local chain, for tests and benches; foreseal.run.anvil looks for it beside the Python that runs.
anvil: | $(VENV)/bin/python
	npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel error --prefix $(VENV)/anvil \
		@foundry-rs/anvil-linux-amd64@1.7.1

bench: $(VENV)/.bench anvil
	$(BIN)/python -m bench.store
	$(BIN)/python -m bench.seal
	$(BIN)/python -m bench.chain
	$(BIN)/python -m bench.loops
	$(BIN)/python -m bench.parts
	$(BIN)/python -m bench.anomalies
	$(BIN)/python -m bench.reconcile
	$(BIN)/python -m bench.pretrained
	$(BIN)/python -m bench.scale
	$(BIN)/python -m bench.scale --series 100000
	$(BIN)/python -m bench.coverage --every 4
	$(BIN)/python -m bench.forecast --panel development --every 8 --against ets,theta,mstl,ces,fracast,flair
	$(BIN)/python -m bench.apps

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
