# The commands people and CI share. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := warehouse serving_api quality assets orchestration tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-slow up down lint format bench docs lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 11

setup: $(STAMP)  ## Create .venv with the pinned dependencies

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "audotics needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup  ## Sample world to live recommendations, end to end
	$(BIN)/audotics demo

up: setup  ## Servers, Dagster UI and daemon, read API, until Ctrl-C
	$(BIN)/audotics up

down: setup  ## Stop the embedded servers
	$(BIN)/audotics down

test: setup  ## All tests but the slow ones, on real servers that they start themselves
	$(BIN)/pytest -m "not slow"

test-unit: setup  ## The tests that need no server
	$(BIN)/pytest tests/unit tests/test_architecture.py

test-slow: setup  ## Kills, long histories and other proofs that take long
	$(BIN)/pytest -m slow

lint: setup  ## Format, imports, types, SQL
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy warehouse serving_api quality assets orchestration
	$(BIN)/mypy --package benchmarks
	$(BIN)/sqlfluff lint dbt_project/models

format: setup  ## Rewrite the code in the project's format
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/sqlfluff fix dbt_project/models

bench: setup  ## Print what the benchmarks measure
	$(BIN)/python -m benchmarks.pipeline

docs: setup  ## Build the docs site of the warehouse: models, columns, metrics, lineage; one file to open in a browser
	@environment=$$($(BIN)/audotics env) && eval "$$environment" && \
	$(BIN)/dbt docs generate --static --quiet --target-path $(DOCS)
	@echo "docs site: $(DOCS)/static_index.html"
	@echo "open it:   $(BIN)/python -m webbrowser file://$(DOCS)/static_index.html"

# Apart from the manifest that Dagster and mf read.
DOCS := $(CURDIR)/dbt_project/target/docs

lock: setup  ## Resolve requirements anew, with hashes and without download addresses
	$(BIN)/uv pip compile pyproject.toml --extra dev -o requirements/dev.txt $(LOCK_OPTIONS)
	$(BIN)/uv pip compile pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt $(LOCK_OPTIONS)

# uv leaves download addresses out unless asked to emit them.
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header --quiet

clean:  ## Remove caches and build results; .venv and .audotics stay
	rm -rf dbt_project/target dbt_project/logs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
