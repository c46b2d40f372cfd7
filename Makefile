# One way in for people and for CI. `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up test test-long chaos chaos-quick lint format bench bench-usage pins clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11. Name a newer one: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "make: installing the pinned packages into $(VENV) (once; about two minutes)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -P runtime/installing.py requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "make: installing the pinned tools for tests and lint into $(VENV)"
	@$(BIN)/python -P runtime/installing.py requirements-dev.txt
	@touch $@

install: $(VENV)/.runtime ## Install what it takes to run
install-dev: $(VENV)/.dev ## Install what it takes to test as well

demo: $(VENV)/.runtime ## Run everything on the sample records and show what comes out
	@exec $(BIN)/feedback demo

up: $(VENV)/.runtime ## Start the system and keep it running
	@exec $(BIN)/feedback up

test: $(VENV)/.dev ## The tests, on a real Kafka and a real PostgreSQL
	@# In the order of their folders, so that the long files, which have few tests, do not come last.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: $(VENV)/.dev ## The tests that break the whole system and wait for it to come back, three minutes
	$(BIN)/python -m pytest -n 3 --dist loadfile -m long

chaos: $(VENV)/.dev ## Break the running system in every way, and check what came of it (CASES=a,b FROM=a SEED=n REPORT=file TABLE=file)
	$(BIN)/python -m tests.chaos $(if $(CASES),--cases "$(CASES)") $(if $(FROM),--from "$(FROM)") $(if $(SEED),--seed "$(SEED)") $(if $(REPORT),--report "$(REPORT)") $(if $(TABLE),--markdown "$(TABLE)")

chaos-quick: $(VENV)/.dev ## The quick part of it, three minutes (SEED=n)
	$(BIN)/python -m tests.chaos --quick $(if $(SEED),--seed "$(SEED)")

lint: $(VENV)/.dev ## Formatting, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure again what the docs say (bench/README.md; RECORDS=file FRAMEWORK=file add yours)
	$(BIN)/python -m bench.llm_throughput
	$(BIN)/python -m bench.llm_client
	$(BIN)/python -m bench.streams_overhead
	$(BIN)/python -m bench.usage_write
	$(BIN)/python -m bench.accuracy --samples
	$(BIN)/python -m bench.privacy
ifdef RECORDS
	$(BIN)/python -m bench.run_throughput --records "$(RECORDS)" $(if $(FRAMEWORK),--framework "$(FRAMEWORK)")
endif
	$(BIN)/python -m bench.demo_time

bench-usage: $(VENV)/.dev ## LLM calls in and usage out, beside the plain ways (ROWS=1000000)
	$(BIN)/python -m bench.usage --rows "$(or $(ROWS),1000000)"

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pins: $(VENV)/.dev ## Resolve the pinned requirements anew
	$(BIN)/pip-compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras -U -o requirements-dev.txt requirements-dev.in
	$(BIN)/pip-compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras -c requirements-dev.txt -o requirements.txt requirements.in

clean: ## Remove the virtual environment and the embedded servers' data
	rm -rf $(VENV) .feedback
