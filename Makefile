# The commands people and CI share. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What running needs, and on top of it what tests, linters and MetricFlow need.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# An environment of its own: dbt-bouncer asks for another DuckDB than this project.
DBT_LINT := $(VENV)/dbt-lint/.installed
PIP := $(BIN)/pip --disable-pip-version-check --quiet
CODE := warehouse serving_api quality assets orchestration tests benchmarks

# Tests and runs start Python some hundred times; without this each of them compiles every library again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-slow faults fault-catalogue coverage up down debian lint format bench docs client lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

setup: $(DEV)  ## Create .venv with all pinned dependencies: those of running, of tests and linters, and mf

$(RUNTIME): requirements/runtime.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "audotics needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(INSTALL_OPTIONS) -r requirements/runtime.txt
	$(PIP) install --no-compile --no-deps --no-build-isolation --editable .
	touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	$(PIP) install $(INSTALL_OPTIONS) -r requirements/dev.txt
	touch $@

$(DBT_LINT): requirements/dbt-lint.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip --disable-pip-version-check --quiet install $(INSTALL_OPTIONS) -r requirements/dbt-lint.txt
	touch $@

# Python compiles what it imports by itself; all there is would take 250 MB more.
INSTALL_OPTIONS := --require-hashes --no-compile

demo: $(RUNTIME)  ## Sample world to live recommendations, end to end
	$(BIN)/audotics demo

up: $(RUNTIME)  ## Servers, Dagster UI and daemon, read API, until Ctrl-C
	$(BIN)/audotics up

down: $(RUNTIME)  ## Stop the embedded servers
	$(BIN)/audotics down

# make test SEED=7 runs files and tests in an order drawn from 7.
SHUFFLE := $(if $(SEED),--shuffle $(SEED))

test: $(DEV)  ## All tests but the slow ones, on real servers that they start themselves; SEED=n shuffles them
	$(BIN)/pytest -m "not slow" $(SHUFFLE)

test-unit: $(DEV)  ## The tests that need no server
	$(BIN)/pytest -m "not slow" tests/unit tests/test_architecture.py tests/test_words.py

test-slow: $(DEV)  ## Kills, nights in a row, long histories and other proofs that take long
	$(BIN)/pytest -m slow

faults: $(DEV)  ## What clients of the read API see while releases, Redis and callers go wrong, in two minutes
	PYTHONPATH=tests/integration $(BIN)/python -m faults

fault-catalogue: $(DEV)  ## Plant each fault of the catalogue in a whole night; print which gate stopped it, in which words
	$(BIN)/pytest tests/integration/quality/test_planted_nights.py

coverage: $(DEV)  ## How much of the code all tests run, by folder; processes that they start count
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	@for folder in warehouse serving_api quality assets $(wildcard assets/[a-z]*/.) orchestration; do \
	  $(BIN)/coverage report --include="$${folder%/.}/**" --format=total | sed "s|^|$${folder%/.}: |; s|$$| %|"; done
	@$(BIN)/coverage report --format=total | sed 's|^|all: |; s|$$| %|'

# What is not in any Python package; CI has it installed, people's tests are skipped without.
debian:  ## Install what some tests need of Debian, as root: prometheus (promtool), node with npm, curl, chromium
	command -v curl >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl; }
	command -v promtool >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus; }
	command -v npm >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm; }
	command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }

lint: $(DEV) $(DBT_LINT)  ## Format, imports, types, Dagster definitions, SQL, the dbt project
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy warehouse serving_api quality assets orchestration
	$(BIN)/mypy --package benchmarks
	$(CHECK_DEFINITIONS)
	$(BIN)/sqlfluff lint dbt_project/models
	$(dir $(DBT_LINT))bin/dbt-score lint --manifest dbt_project/target/assets/manifest.json
	$(dir $(DBT_LINT))bin/dbt-bouncer run --config-file dbt_project/dbt-bouncer.yml

# In an instance of its own that is removed again; without one, dg would send out that it was called.
CHECK_DEFINITIONS = @home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && echo 'telemetry: {enabled: false}' \
  >"$$home/dagster.yaml" && DAGSTER_HOME=$$home VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/dg check defs

format: $(DEV)  ## Rewrite the code in the project's format
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/sqlfluff fix dbt_project/models

bench: $(RUNTIME)  ## Print what the benchmarks measure
	$(BIN)/python -m benchmarks.pipeline

docs: $(RUNTIME)  ## Build the docs site of the warehouse: models, columns, metrics, lineage; one file to open in a browser
	@environment=$$($(BIN)/audotics env) && eval "$$environment" && \
	$(BIN)/dbt docs generate --static --quiet --target-path $(DOCS)
	@echo "docs site: $(DOCS)/static_index.html"
	@echo "open it:   $(BIN)/python -m webbrowser file://$(DOCS)/static_index.html"

# Apart from the manifest that Dagster and mf read.
DOCS := $(CURDIR)/dbt_project/target/docs

client: $(RUNTIME)  ## Build the client for TypeScript, with npm; clients/typescript/README.md says how an app uses it
	cd clients/typescript && npm ci --no-audit --no-fund && npm run build

lock: $(DEV)  ## Resolve requirements again, with hashes and without download addresses
	$(BIN)/uv pip compile pyproject.toml --extra dev -o requirements/dev.txt $(LOCK_OPTIONS)
	$(BIN)/uv pip compile pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt $(LOCK_OPTIONS)
	$(BIN)/uv pip compile requirements/dbt-lint.in -o requirements/dbt-lint.txt $(LOCK_OPTIONS)

# uv leaves download addresses out unless asked to emit them.
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header --quiet

clean:  ## Remove caches and build results; .venv and .audotics stay
	rm -rf dbt_project/target dbt_project/logs build clients/typescript/dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage*
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
