SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTO_VENV := .venv-proto
PEERS_VENV := .venv-peers
ARGS ?=
# Test processes of a whole suite. Tests mostly wait for other processes, so there may be more of
# them than cores. A process that has nothing left takes tests from the others.
WORKERS ?= 4
PARALLEL := -n $(WORKERS) --dist worksteal
MINUTES ?= 60
REQUESTS ?= 2000
FUZZ_SECONDS ?= 60
SEED ?=
# Everything that is installed comes by this script, and from the locks.
INSTALL := PYTHON=$(PYTHON) requirements/install
export PYTHONWARNINGS ?=

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS=":.*?## "}; {printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements/app.lock requirements/valkey.lock requirements/edge.lock pyproject.toml clients/python/pyproject.toml requirements/install
	@$(INSTALL) $(VENV) app valkey edge tree
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.lock
	@$(INSTALL) $(VENV) dev
	@touch $@

$(VENV)/.ready-plots: $(VENV)/.ready-dev requirements/plots.lock
	@$(INSTALL) $(VENV) plots
	@touch $@

$(VENV)/.ready-fuzz: $(VENV)/.ready-dev requirements/fuzz.lock
	@$(INSTALL) $(VENV) fuzz
	@touch $@

$(PROTO_VENV)/.ready: requirements/proto.lock requirements/install
	@$(INSTALL) $(PROTO_VENV) proto
	@touch $@

$(PEERS_VENV)/.ready: requirements/peers.lock requirements/install bench/peers/package-lock.json bench/peers/setup
	@$(INSTALL) $(PEERS_VENV) peers
	@bench/peers/setup $(PEERS_VENV)
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready-dev ## Install everything for development

.PHONY: up
up: $(VENV)/.ready ## Run everything on this machine (Ctrl-C ends it)
	@exec $(BIN)/python -m standalone

.PHONY: test
test: $(VENV)/.ready-dev ## Run all tests (ARGS="-k watch" picks some)
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(PARALLEL))

.PHONY: test-install
test-install: $(VENV)/.ready-dev ## Install on fresh machines, with newer versions of everything
	@$(BIN)/python -m pytest tests/install -m install $(if $(ARGS),$(ARGS),-n 3 --dist worksteal)

.PHONY: attack
attack: $(VENV)/.ready-fuzz ## All attacks, with REQUESTS=2000 made-up ones for each method
	@ATTACK_EXAMPLES=$(REQUESTS) FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/security $(if $(ARGS),$(ARGS),$(PARALLEL))

.PHONY: audit
audit: $(VENV)/.ready-dev ## Known holes in what is shipped and tested with; it needs the network
	@failed=; requirements/shipped audit || failed=yes; \
	for folder in tests/node bench/peers; do \
		npm audit --prefix $$folder --package-lock-only || failed=yes; \
	done; [[ -z $$failed ]]

.PHONY: sbom
sbom: $(VENV)/.ready-dev ## Write sbom.json: everything that is shipped, with hashes (CycloneDX)
	@requirements/shipped sbom > sbom.json

.PHONY: crash
crash: $(VENV)/.ready-dev ## Kill, freeze and cut for some 6 minutes; no promise may break
	@$(BIN)/python -m pytest tests/crash -m crash $(ARGS)

.PHONY: crash-full
crash-full: $(VENV)/.ready-dev ## The same at every failpoint in every way, and with bugs planted
	@$(BIN)/python -m pytest tests/crash -m "crash or crash_full or planted" $(ARGS)

.PHONY: crash-long
crash-long: $(VENV)/.ready-dev ## Random faults for MINUTES=60; SEED=1 runs that one again
	@$(BIN)/python -m tests.crash --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: bench-watch bench-sse bench-steps bench-storm bench-memory bench-history bench-scale bench-model bench-aims bench-start bench-starve bench-accept bench-throughput bench-poller bench-webhooks bench-admin bench-render bench-smoke
bench-watch: $(VENV)/.ready-plots ## Live events beside the floor of gRPC, 8 minutes (ARGS="--write" keeps it)
	@$(BIN)/python -m bench.watch $(ARGS)

bench-sse: $(VENV)/.ready-plots ## Server-sent events beside the gRPC watch, 2 minutes
	@$(BIN)/python -m bench.sse $(ARGS)

bench-steps: $(VENV)/.ready-plots ## What each step of an event costs by itself, 1 minute
	@$(BIN)/python -m bench.steps $(ARGS)

bench-storm: $(VENV)/.ready-plots ## Thousands return at once, 5 minutes
	@$(BIN)/python -m bench.storm $(ARGS)

bench-memory: $(VENV)/.ready-plots ## Memory of idle watchers, 4 minutes
	@$(BIN)/python -m bench.memory $(ARGS)

bench-scale: $(VENV)/.ready-plots ## Events at 1, 2 and 4 server processes and shards, 15 minutes
	@$(BIN)/python -m bench.scale $(ARGS)

bench-model: $(VENV)/.ready-dev ## What a million watchers need, reckoned from the figures that are kept
	@$(BIN)/python -m bench.model $(ARGS)

bench-aims: $(VENV)/.ready-dev ## The figures that are kept beside what they must be
	@$(BIN)/python -m bench.aims $(ARGS)

bench-history: $(VENV)/.ready-plots ## Calls with two million old jobs, an hour (ARGS="--folder DIR" keeps them)
	@$(BIN)/python -m bench.history $(ARGS)

bench-start: $(VENV)/.ready-plots ## From accepted to started, 2 minutes
	@$(BIN)/python -m bench.start $(ARGS)

bench-starve: $(VENV)/.ready-plots ## What one user's flood of each call does to others, 15 minutes
	@$(BIN)/python -m bench.starve $(ARGS)

bench-accept: $(VENV)/.ready-plots ## Accepts a second beside their floor, 1 minute
	@$(BIN)/python -m bench.accept $(ARGS)

bench-throughput: $(VENV)/.ready-plots ## Jobs a second that cost nothing to make, 1 minute
	@$(BIN)/python -m bench.throughput $(ARGS)

bench-poller: $(VENV)/.ready-plots ## 10,000 operations in flight, 2 minutes
	@$(BIN)/python -m bench.poller $(ARGS)

bench-webhooks: $(VENV)/.ready-plots ## 10,000 deliveries in flight, and a thousand dead receivers, 3 minutes
	@$(BIN)/python -m bench.webhooks $(ARGS)

bench-admin: $(VENV)/.ready-plots ## An administrator's watch while 10,000 jobs change, 3 minutes
	@$(BIN)/python -m bench.administration $(ARGS)

bench-render: $(VENV)/.ready-plots ## The built-in renderer on one core, 1 minute
	@$(BIN)/python -m bench.render $(ARGS)

bench-smoke: $(VENV)/.ready-dev ## One minute: fail when events cost too much beside the floor
	@$(BIN)/python -m bench.smoke

.PHONY: bench-setup
bench-setup: $(VENV)/.ready-plots $(PEERS_VENV)/.ready ## Install the systems that Rushes is measured beside, and what draws plots

.PHONY: bench-peers bench-jobs bench-api bench-media
bench-peers: bench-setup ## Live events beside Socket.IO, BullMQ and server-sent events, 6 minutes
	@$(BIN)/python -m bench.peers $(ARGS)

bench-jobs: bench-setup ## Jobs beside other queues, and what a killed worker loses, 5 minutes
	@$(BIN)/python -m bench.jobs $(ARGS)

bench-api: $(VENV)/.ready-plots ## Unary calls beside the floor of gRPC, and one beside slow ones
	@$(BIN)/python -m bench.api $(ARGS)

bench-media: bench-setup ## Downloads of 1 GB beside nginx and uvicorn's floor
	@$(BIN)/python -m bench.media $(ARGS)

.PHONY: bench
bench: bench-setup ## All benches, kept and written into the docs, some 90 minutes on a calm machine
	@for name in steps watch sse peers storm memory scale start starve accept throughput jobs api media poller webhooks admin render; do \
		$(MAKE) --no-print-directory bench-$$name ARGS=--write || exit; \
	done
	@$(MAKE) --no-print-directory bench-model bench-aims ARGS=--write

.PHONY: format
format: $(VENV)/.ready-dev ## Format and mend what ruff can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: check
check: $(VENV)/.ready-dev $(PROTO_VENV)/.ready ## Lint, types, import rules, contract, generated files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry --no-ansi core server workers admin standalone
	@cd clients/python && $(CURDIR)/$(BIN)/deptry --no-ansi rushes
	@$(BIN)/buf lint protos/rushes.binpb --config protos/buf.yaml --path rushes
	@$(BIN)/buf breaking protos/rushes.binpb --against protos/rushes.released.binpb --config protos/buf.yaml --path rushes
	@PROTOC_PYTHON=$(PROTO_VENV)/bin/python $(BIN)/python -m protos.generate --check
	@$(BIN)/python clients/python/unasync.py --check

.PHONY: proto
proto: $(VENV)/.ready-dev $(PROTO_VENV)/.ready ## Generate the stubs and the descriptor set from protos/
	@PROTOC_PYTHON=$(PROTO_VENV)/bin/python $(BIN)/python -m protos.generate

.PHONY: sync
sync: $(VENV)/.ready-dev ## Generate the synchronous client from the asyncio one
	@$(BIN)/python clients/python/unasync.py

.PHONY: lock
lock: $(VENV)/.ready-dev ## Resolve requirements/*.lock anew
	@requirements/lock

.PHONY: clean
clean: ## Remove the environments and caches (never the data)
	@rm -rf $(VENV) $(PROTO_VENV) $(PEERS_VENV) bench/peers/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
