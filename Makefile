# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1

UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/.uv/bin/uv)
PYTHON ?= python3
BIN := .venv/bin
VERSION = $(shell $(BIN)/python -c "import sys; print('%d.%d' % sys.version_info[:2])")

.PHONY: help setup demo dapr test test-all check format bench schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

setup: $(BIN)/.synced ## Make the environment (.venv) from the lock file

$(CURDIR)/.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(BIN)/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen
	@touch $@

.PHONY: frameworks
frameworks: setup
	$(UV) sync --frozen --quiet --python $(VERSION) --project envs/crewai
	$(UV) sync --frozen --quiet --python $(VERSION) --project envs/langgraph

demo: frameworks ## Start the quickstart, take a tour and serve (ONCE=1: end after the tour)
	$(BIN)/python -m examples.petstore.tour
	$(BIN)/python -m examples.review_graph.tour
	$(BIN)/python -m examples.research_team.tour
	$(BIN)/python -m examples.coordinator.tour
	$(BIN)/python -m examples.greeter.tour
	UV=$(UV) ONCE=$(ONCE) $(BIN)/python -m examples.quickstart.tour

dapr: ## Build Dapr's own programs, once, for the tests and `hub up --dapr` (needs Go 1.26.5)
	@tests/dapr/build.sh

# Each of these runs in a process of its own: its services and event loop live for the whole session.
OWN_PROCESS := sidecar dapr durable asked agentic
# These start frameworks most of the time, each on one core: the second runs beside the first, and is shown after it.
BESIDE := host wrapped
# A long log may be seen from its end only: what failed in any of these is told there once more.
RECAP := .cache/failed.txt
PYTEST := UV=$(UV) TESTS_RECAP=$(RECAP) $(BIN)/pytest

test: frameworks ## Run all tests in their short form
	$(call run_tests,)

test-all: frameworks ## Run the full numbers and write docs/measured.md
	$(call run_tests,--full)
	UV=$(UV) $(BIN)/python -m bench --measured
	$(call bench_parts,--measured)

define bench_parts
	@status=0; \
	for part in sidecar engine wire sidecars placement sdk_worker workflows parked agents hosted; do UV=$(UV) $(BIN)/python -m bench.$$part $(1) || status=1; done; \
	exit $$status
endef

define run_tests
	@mkdir -p .cache; rm -f $(RECAP); \
	run() { $(PYTEST) $(1) "$$@" || echo "pytest $$1 ended with $$?" >> $(RECAP); }; \
	run tests $(addprefix --ignore=tests/,$(OWN_PROCESS) $(BESIDE)); \
	for part in $(OWN_PROCESS); do run tests/$$part; done; \
	run tests/$(word 2,$(BESIDE)) > .cache/beside.log 2>&1 & beside=$$!; \
	run tests/$(word 1,$(BESIDE)); \
	wait $$beside; \
	cat .cache/beside.log; \
	if [ -s $(RECAP) ]; then echo "What failed:"; cat $(RECAP); exit 1; fi
endef

check: setup ## Format, lint, types, import lines
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: setup ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: frameworks ## Measure the gateway beside a bare relay (needs cargo or rustc), then durable runs and adapters
	UV=$(UV) $(BIN)/python -m bench
	$(call bench_parts,)

schema: setup ## Write docs/hub.schema.json
	$(BIN)/hub schema > docs/hub.schema.json

clean: ## Remove what the other commands made
	rm -rf .venv .uv .cache build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache bench/bin bench/logs
