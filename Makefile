# Needs Python 3.11, git and make; everything else comes from the lock files.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
PORT ?= 3000
AGENTFLOW_DATA_DIR ?= .agentflow
export PORT AGENTFLOW_DATA_DIR

RUN = $(PYTHON) bootstrap.py run --
DEV = $(PYTHON) bootstrap.py dev --
COMPILE = uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run test lint format types audit bench load chaos mutants lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: ## Start AgentFlow (PORT=3000 AGENTFLOW_DATA_DIR=.agentflow)
	@$(RUN) agentflow up

test: ## Run every test, the browser's too, with coverage
	@$(DEV) python -m tests.run

lint: ## Check style and who imports whom
	@$(DEV) python -m ruff check .
	@$(DEV) python -m ruff format --check .
	@$(DEV) lint-imports

format: ## Write the style
	@$(DEV) python -m ruff check --fix .
	@$(DEV) python -m ruff format .

types: ## Check types
	@$(DEV) python -m mypy

audit: ## Ask for known faults of the packages
	@$(DEV) python -m supply_chain audit

bench: ## Measure this machine
	@$(DEV) python -m benchmarks

load: ## Drive the API at rising load, and say what it can take
	@$(DEV) python -m benchmarks.capacity

chaos: ## Kill workers and stores under load, and count (RUNS=2000 KILLS=100 SEED=…)
	@$(DEV) python -m tests.chaos

mutants: ## Take each mechanism away, and see a test go red (ONLY=word)
	@$(DEV) python -m tests.mutants

lock: ## Resolve the Python and npm packages anew
	@$(DEV) $(COMPILE) -o requirements.lock
	@$(DEV) $(COMPILE) --extra dev --constraint requirements.lock -o requirements-dev.lock
	@$(DEV) agentflow build --relock

clean: ## Remove what was installed and built; the data stays
	rm -rf .venv .web .agentflow/frontend .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
