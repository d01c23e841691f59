# Hostler. `make help` lists the targets; CI calls the same ones.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
PYTEST := $(BIN)/pytest -q --durations=10
# One thread for each of the two workers: with more they wait for each other.
PYTEST_RUNTIME := OMP_NUM_THREADS=1 .venv-runtime/bin/pytest -q --durations=10 -n 2 --dist loadfile
SIDE_BY_SIDE = MAKE="$(MAKE)" $(BIN)/python tests/levels.py --logs dist/levels

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2} /^##@ / {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ The two commands

.PHONY: demo
demo: dev ## Bring up a real cluster, train a model, serve it, ask it, read its metrics (stays up; `make demo-down` ends it)
	$(BIN)/hostler demo

.PHONY: test
test: dev dev-runtime ## Lint and all four levels of tests, the long ones side by side
	@$(SIDE_BY_SIDE) lint lint-runtime
	@$(MAKE) --no-print-directory test-unit
	@$(SIDE_BY_SIDE) test-clusters test-apiserver test-runtime

##@ Tests, one level at a time

.PHONY: lint
lint: dev ## ruff, mypy, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=images/runtime $(BIN)/lint-imports

.PHONY: test-unit
test-unit: dev ## No I/O, virtual time
	$(PYTEST) -n 2 tests/unit

.PHONY: test-runtime
test-runtime: dev-runtime ## Training and serving code as plain processes in the runtime's environment
	$(PYTEST_RUNTIME) -m "not quality" tests/runtime

.PHONY: test-quality
test-quality: dev-runtime ## Train each family until it is good, on real data, with controls that must fail
	$(PYTEST_RUNTIME) -m quality tests/runtime

.PHONY: test-apiserver
test-apiserver: dev ## Chart, CRDs and controllers against a real API server without kubelets
	$(PYTEST) tests/apiserver

.PHONY: test-cluster
test-cluster: dev ## Real kubelets, containers, device plugins
	$(PYTEST) tests/cluster

.PHONY: test-e2e
test-e2e: dev ## Helm install, train, serve, measure on one cluster
	$(PYTEST) tests/e2e

.PHONY: test-clusters
test-clusters: dev ## The last two levels in one session, which brings their cluster up once
	$(PYTEST) tests/cluster tests/e2e

.PHONY: examples
examples: dev dev-runtime ## Train, serve and ask every example on a local cluster, at full length
	$(PYTEST) tests/examples

.PHONY: acceptance
acceptance: test test-quality showpieces ## Everything, every family until it is good, models of others, and what a new user does
	$(PYTEST) tests/acceptance

##@ Development

.PHONY: dev
dev: $(VENV)/.stamp ## Make .venv with everything for development

$(VENV)/.stamp: requirements/dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 >= 3.11 is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed, found $$($(PYTHON) --version)"; exit 1; }
	@# Debian keeps venv's own installer in a package of its own; apt's lists may be empty on a new machine.
	@test -x $(BIN)/python || $(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }; \
	  echo "installing with apt: python3-venv"; export DEBIAN_FRONTEND=noninteractive; \
	  apt-get install -y -qq --no-install-recommends python3-venv >/dev/null 2>&1 || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; }; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) -m venv fails, see above"; exit 1; }
	@echo "installing the development environment into $(VENV) (requirements/dev.lock)"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.lock
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

include make/runtime.mk
include make/bench.mk
include make/showpieces.mk

.PHONY: lock
lock: dev ## Compile requirements/*.in into lock files with hashes
	cd requirements && for name in control dev; do ../$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 -o $$name.lock $$name.in; done

.PHONY: generate
generate: dev ## Write what is generated: CRDs, RBAC, API reference, registry tables
	$(BIN)/python -m hostler.cli.generate

.PHONY: manifests
manifests: dev ## Render the chart as one file, dist/hostler.yaml
	$(BIN)/hostler manifests --output dist/hostler.yaml

.PHONY: images
images: dev ## Build our images, those whose inputs have changed
	$(BIN)/hostler local build

.PHONY: demo-down
demo-down: dev ## Remove the demo's cluster (its image stores stay for the next time)
	$(BIN)/hostler local down

.PHONY: clean
clean: ## Remove the virtual environments and caches of this checkout
	rm -rf .venv .venv-runtime .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
