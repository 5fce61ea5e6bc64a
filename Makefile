# The commands of this repository. They need git, make and Python 3.11 or newer; everything else comes from packages.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export UV_PYTHON_DOWNLOADS := never
# Tests take the embedded servers; CRM_TEST_INFRA=docker takes testcontainers.
export CRM_TEST_INFRA ?= embedded
# Without its bytecode, each of a dozen processes would compile every library again at each start.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PY := .venv/bin/python
UV := .venv/bin/uv
PACKAGES := shared services/contacts services/campaigns services/messaging services/billing gateway sandbox deploy demo
SOURCES := $(addsuffix /src,$(PACKAGES))
UNIT := $(wildcard $(addsuffix /tests/unit,$(PACKAGES)))
INTEGRATION := $(wildcard $(addsuffix /tests/integration,$(PACKAGES)))
CONTRACT := tests/architecture tests/contract
# Real processes under a supervisor: one installation, one test at a time.
E2E := tests/e2e tests/chaos
# One more than two cores: each test waits for its servers now and then (make test JOBS=8 on a larger machine).
JOBS ?= 3
PYTEST := $(PY) -m pytest -q
# Of unit and integration tests: tracing halves their speed, and what only a generated call reaches is not tested.
COVERAGE := --cov --cov-report=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Preparation

.PHONY: venv
venv: .venv/.synced ## Make the Python environment (done by itself when needed)

.venv/.synced: uv.lock pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@if ! $(PY) -c '' 2>/dev/null; then \
	  for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11 or newer found. Install one, or name it: make venv PYTHON=/path/to/python3" >&2; exit 1; \
	  fi; \
	  if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$found cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	  fi; \
	  rm -rf .venv; $$found -m venv .venv || exit 1; \
	fi
	@[ -x $(UV) ] || $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	@[ -x $(UV) ] || $(PY) -m pip install -q --disable-pip-version-check uv
	@UV_PROJECT_ENVIRONMENT=.venv UV_COMPILE_BYTECODE=1 $(UV) sync --frozen -q
	@touch $@

# --- Running it

.PHONY: up
up: venv ## Start the whole system on this machine, or bring it up to date
	@$(PY) -m deploy up

.PHONY: down
down: venv ## Stop everything that `make up` started; data stay
	@$(PY) -m deploy down

.PHONY: reset
reset: venv ## Stop everything and forget all data
	@$(PY) -m deploy reset --yes

.PHONY: restart
restart: venv ## Restart processes: make restart NAME="messaging-worker caddy"
	@$(PY) -m deploy restart $(NAME)

.PHONY: status
status: venv ## Show what runs
	@$(PY) -m deploy status

.PHONY: logs
logs: venv ## Show the logs and go on: make logs [NAME=messaging-worker]
	@$(PY) -m deploy logs $(NAME) --follow

.PHONY: demo
demo: up ## Run a campaign on generated home owners, and show that all figures add up (ARGS=--faults)
	@$(PY) -m demo $(ARGS)

# --- Checking it

.PHONY: test
test: venv check ## Run everything: checks, all tests, the coverage of unit and integration tests
	@$(PY) -m coverage erase
	$(PYTEST) -n $(JOBS) --dist worksteal $(COVERAGE) $(UNIT) $(INTEGRATION)
	$(PYTEST) -n $(JOBS) --dist worksteal $(CONTRACT)
	$(PYTEST) $(E2E)
	@$(PY) -m coverage report --skip-covered --fail-under=90

.PHONY: unit
unit: venv ## Run the unit tests
	$(PYTEST) -n $(JOBS) $(UNIT)

.PHONY: integration
integration: venv ## Run the integration tests (real PostgreSQL and NATS)
	$(PYTEST) -n $(JOBS) --dist worksteal $(INTEGRATION)

.PHONY: integration-shared
integration-shared: venv ## Run the suites that choose their servers: CRM_TEST_INFRA=docker|embedded [ONLY="shared gateway"]
	$(PYTEST) $(wildcard $(addsuffix /tests/integration,$(or $(ONLY),$(filter-out deploy demo,$(PACKAGES)))))

.PHONY: contract
contract: venv ## Run the contract tests of every HTTP boundary and of the events
	$(PYTEST) -n $(JOBS) $(CONTRACT)

.PHONY: e2e
e2e: venv ## Run the journeys through the whole system
	$(PYTEST) $(E2E)

.PHONY: chaos
chaos: venv ## Run the crash tests with their full counts, and report figures (CRM_CHAOS_SEED=7 draws as before)
	CRM_CHAOS=full $(PYTEST) -v tests/chaos

.PHONY: bench
bench: venv ## Measure speed
	@PYTHONPATH=tests $(PY) -m benchmarks $(ONLY)

.PHONY: check
check: venv ## Check style, types, layers, and that generated documents are up to date
	ruff check .
	ruff format --check .
	mypy $(SOURCES)
	lint-imports
	$(PY) -m deploy generate --check

.PHONY: generate
generate: venv ## Write the documents that are derived from the code
	@$(PY) -m deploy generate
