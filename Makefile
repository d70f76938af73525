# The commands of this repository; `make` alone lists them.
# Needs GNU make and Python 3.11 or newer with venv and pip; everything else comes pinned from constraints.txt.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
PY := $(BIN)/python
PROTO_PY := .venv-proto/bin/python
# Folder of what `check` makes to compare with; promtool also lands here where deploy/dev/install-tools.sh fetches it.
BUILD := build
export PATH := $(CURDIR)/$(BUILD)/tools/usr/bin:$(PATH)

# uv resolves versions; nothing but `make lock` needs it.
UV_VERSION := 0.13.9
UV := $(BUILD)/uv/bin/uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock" $(LOCK_FLAGS)

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## The environments

.PHONY: venv
venv: .venv/.stamp .venv-proto/.stamp ## Make .venv and .venv-proto from the pinned versions

.venv/.stamp: constraints.txt pyproject.toml deploy/dev/venv.sh
	@deploy/dev/venv.sh .venv constraints.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv-proto/.stamp: proto/toolchain.txt deploy/dev/venv.sh
	@deploy/dev/venv.sh .venv-proto proto/toolchain.txt
	@touch $@

.PHONY: lock
lock: $(UV) ## Pin the versions again; LOCK_FLAGS=--upgrade takes the newest
	$(COMPILE) --all-extras --group dev --output-file constraints.txt pyproject.toml
	$(COMPILE) --output-file proto/toolchain.txt proto/toolchain.in
	$(COMPILE) --extra server --constraints constraints.txt --no-annotate \
	  --output-file deploy/requirements.txt pyproject.toml

$(UV):
	@deploy/dev/venv.sh $(BUILD)/uv
	@$(BUILD)/uv/bin/python -m pip install --quiet uv==$(UV_VERSION)

## What must hold

.PHONY: check
check: check-style check-types check-imports check-contract check-docs check-pins check-deploy ## Everything but the tests
	@echo 'make check: all is well'

.PHONY: check-style
check-style: .venv/.stamp ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: check-types
check-types: .venv/.stamp ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy docs/generate.py deploy/probe.py

.PHONY: check-imports
check-imports: .venv/.stamp ## import-linter: which room may import which
	$(BIN)/lint-imports --no-logo

.PHONY: check-contract
check-contract: venv ## buf: lint, and compatibility with the last tag; the committed stubs are those of the .proto files
	@rm -rf $(BUILD)/contract && mkdir -p $(BUILD)/contract/stubs
	$(PROTO_PY) proto/generate.py image $(BUILD)/contract/image.binpb
	$(BIN)/buf lint $(BUILD)/contract/image.binpb --config proto/buf.yaml
	deploy/dev/breaking.sh $(PROTO_PY) $(BIN)/buf $(BUILD)/contract
	$(PROTO_PY) proto/generate.py stubs $(BUILD)/contract/stubs
	@diff -r -x '*.proto' -x __init__.py -x __pycache__ $(BUILD)/contract/stubs/linecert/v1 proto/linecert/v1 \
	  || { echo 'The committed stubs are not those of the .proto files: run make proto.' >&2; exit 1; }

.PHONY: check-docs
check-docs: .venv/.stamp ## The generated parts of the documents are up to date
	$(PY) docs/generate.py --check

.PHONY: check-pins
check-pins: .venv/.stamp ## The pins answer to pyproject.toml, and the environment to the pins
	$(PY) -m pytest -q -n0 --no-header tests/unit/repo/test_pins.py
	$(PY) -m pip check

.PHONY: check-deploy
check-deploy: .venv/.stamp ## hadolint, systemd-analyze and promtool
	$(BIN)/hadolint deploy/Containerfile
	deploy/dev/check-deploy.sh $(BUILD)/deploy

.PHONY: test
test: .venv/.stamp ## The tests with branch coverage; ARGS="-k name" runs some of them
	$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal $(if $(ARGS),$(ARGS),--cov --cov-report=term)

.PHONY: bench
bench: .venv/.stamp ## Rates, CPU and latency beside a bare server, in 5 minutes; COMPARE=OLD.json shows the change
	$(PY) tests/bench/run.py $(if $(COMPARE),--compare $(COMPARE)) $(ARGS)

.PHONY: bench-docs
bench-docs: .venv/.stamp ## The tables of README.md and docs/operations.md, from RESULT=bench-results/FILE.json
	$(PY) tests/bench/publish.py $(RESULT)

.PHONY: bench-store
bench-store: .venv/.stamp ## The audit store beside a log of ROWS=1000000, on DATABASE=sqlite, postgresql or both
	$(PY) tests/bench/store.py --rows $(or $(ROWS),1000000) --database $(or $(DATABASE),both) $(ARGS)

.PHONY: bench-key-vault
bench-key-vault: .venv/.stamp ## The service on a key vault of 30 ms and 300 signatures a second
	$(PY) tests/bench/key_vault.py $(ARGS)

.PHONY: bench-fleet
bench-fleet: .venv/.stamp ## Two servers on one PostgreSQL beside one
	$(PY) tests/bench/fleet.py $(ARGS)

.PHONY: bench-overload
bench-overload: .venv/.stamp ## From 1 to 4 times the load that the machine can do
	$(PY) tests/bench/overload.py $(ARGS)

.PHONY: soak
soak: .venv/.stamp ## MINUTES=30 of 70 % load: memory, descriptors, p99, write-ahead log
	$(PY) tests/bench/soak.py --minutes $(or $(MINUTES),30) $(ARGS)

## What is made

.PHONY: proto
proto: .venv-proto/.stamp ## Make the stubs from the .proto files
	$(PROTO_PY) proto/generate.py stubs proto

.PHONY: docs
docs: .venv/.stamp ## Write the generated parts of the documents
	$(PY) docs/generate.py

.PHONY: demo
demo: .venv/.stamp ## A service and two devices on this machine; ONCE=1 does not stay up
	@exec env ONCE=$(ONCE) deploy/demo.sh

.PHONY: clean
clean: ## Remove what was made, the environments included
	rm -rf .venv .venv-proto $(BUILD) dist demo bench-results .coverage .coverage.* \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
