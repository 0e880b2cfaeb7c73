# Two commands are enough to begin: `make serve` and `make test`. `make` alone lists all of them.
.DEFAULT_GOAL := help
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
CONFIG ?= configs/minis.yaml
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: help install serve test check format docs bench lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/pip:
	$(PYTHON) -m venv .venv

.venv/.installed: requirements/coterie.lock pyproject.toml | $(BIN)/pip
	@echo "Installing the locked dependencies into .venv (the first time: a few minutes) ..."
	$(PIP) install -r requirements/coterie.lock
	$(PIP) install --no-deps --editable .
	@touch $@

.venv/.installed-dev: requirements/dev.lock .venv/.installed
	$(PIP) install -r requirements/dev.lock
	@touch $@

install: .venv/.installed ## Create .venv with the locked dependencies

serve: .venv/.installed ## Serve the embedded default (PORT=8000 HOST=127.0.0.1 CONFIG=configs/minis.yaml)
	@$(BIN)/coterie serve --config $(CONFIG) --host $(HOST) --port $(PORT)

test: .venv/.installed-dev ## Run the tests
	$(BIN)/pytest

check: .venv/.installed-dev ## Format, lint, types, imports, generated docs: all must be in order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

format: .venv/.installed-dev ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.installed-dev ## Write the generated parts of the docs anew
	$(BIN)/python docs/generate.py

bench: .venv/.installed-dev ## Print the figures of the README (peers: benchmarks/peers/install.sh)
	$(BIN)/python -m benchmarks.minis
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.gateway

lock: ## Resolve the dependencies anew into requirements/*.lock
	requirements/lock.sh

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
