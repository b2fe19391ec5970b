# Every target does its own set-up. `make help` lists them.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.tests_ready
export OMP_NUM_THREADS ?= 1
export UV_PYTHON_DOWNLOADS := never
# The public data lie beside the project where it is developed; elsewhere they are fetched.
ifneq ($(wildcard ../shared/data/open_bandit),)
export MLOPS_DATA_DIR ?= $(abspath ../shared/data)
endif

.PHONY: help setup demo test quick check audit gen bench lock recording clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

setup: $(READY) ## make .venv with the locked dependencies; as root on Debian also system packages

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml setup.py mlops/models/_walk.c mlops/models/_sweep.h mlops/contracts/_rows.c mlops/proofs/_search.c tools/setup.sh tools/packages.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh
	@touch $(READY)

$(TESTS_READY): $(READY) tools/setup_tests.sh
	@sh tools/setup_tests.sh
	@touch $(TESTS_READY)

demo: $(READY) ## from nothing to a guarded decision, with a drill, in one command
	@$(BIN)/mlops demo

test: $(TESTS_READY) ## all tests, against real processes: about half an hour
	@$(BIN)/pytest -n 2 -m "not e2e"
	@$(BIN)/pytest -n 0 -m e2e # alone, since they hold deadlines

quick: $(TESTS_READY) ## the tests that take seconds, without whole services and long searches
	@$(BIN)/pytest -n 2 -m "not e2e and not slow"

check: $(READY) ## format, lint, types, floors and dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry mlops

audit: $(READY) ## what is known against the locked dependencies; 3 if it cannot be told
	@$(BIN)/python tools/audit.py

gen: $(READY) ## write the committed generated files again; leaves no diff
	$(BIN)/ruff format .
	$(BIN)/pytest -q -n 0 -p no:randomly --regenerate-golden tests/unit

recording: $(READY) ## record the picture of the demo in the README again
	$(BIN)/python tools/record_demo.py

bench: $(READY) ## measure; results go to benchmarks/results
	@for each in kernel command_line jobboard contracts checks cost bounds monotone serving \
		slo_rules slo_mutants; do \
		echo "== $$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done

lock: $(READY) ## resolve the dependencies again
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url -q -o requirements/dev.txt --upgrade
	echo 'uv' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url -q -o requirements/uv.txt --upgrade
	$(BIN)/uv pip compile requirements/peers.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url -q -o requirements/peers.txt --upgrade

clean: ## remove what was built
	rm -rf $(VENV) .mlops build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
