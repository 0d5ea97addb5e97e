# `make run` and `make test` set everything up by themselves; `make help` names the rest.

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types imports migrations locked documented docs fix lock bench clean setup setup-dev

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
WORKERS ?= 3
TESTS ?= tests
ARGS ?=

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Set up, and keep the containers of this machine current until Ctrl-C
	@exec $(BIN)/uptainer up $(ARGS)

test: setup-dev ## Run all tests that this machine can run (TESTS=path, ARGS=-k..., WORKERS=3)
	@$(BIN)/python scripts/install_lab.py
	@exec $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --quiet $(ARGS) $(TESTS)

check: setup-dev ## Format, lint, types, import contracts, migrations, lock, tables in the docs: all of them, even when one fails
	@$(MAKE) --no-print-directory --keep-going format lint types imports migrations locked documented

format: setup-dev
	$(BIN)/ruff format --check --quiet .

lint: setup-dev
	$(BIN)/ruff check --quiet .

types: setup-dev
	$(BIN)/mypy --no-error-summary
	$(BIN)/mypy --no-error-summary scripts

imports: setup-dev
	$(BIN)/lint-imports --no-logo

migrations: setup-dev
	$(BIN)/python scripts/check_migrations.py

locked: setup-dev
	$(BIN)/python scripts/bootstrap.py --uv lock --check --quiet

documented: setup-dev
	$(BIN)/python scripts/write_tables.py --check

docs: setup-dev ## Write into the docs what each runtime can and can't do
	$(BIN)/python scripts/write_tables.py

fix: setup-dev ## Format, and repair what the linter can
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

lock: setup-dev ## Take newer versions of the dependencies into uv.lock
	$(BIN)/python scripts/bootstrap.py --uv lock --upgrade
	@$(MAKE) --no-print-directory setup-dev

bench: setup-dev ## Measure lookups, discovery, the downtime of a swap, and an idle run, each against its floor
	@$(BIN)/python scripts/install_lab.py
	@exec $(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove what was set up here; the data of `make run` lies elsewhere and stays
	rm -rf .venv .uv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: ## Set up what `uptainer` needs, in .venv, and start nothing
	@$(if $(PYTHON),$(PYTHON) scripts/bootstrap.py,echo "Uptainer needs Python 3.11 or newer, and there is none here: apt-get install python3" >&2; exit 1)

setup-dev:
	@$(if $(PYTHON),$(PYTHON) scripts/bootstrap.py --dev,echo "Uptainer needs Python 3.11 or newer, and there is none here: apt-get install python3" >&2; exit 1)
