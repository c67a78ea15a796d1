# Everything here works on a fresh clone; `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
LAB_NODES ?= 3
# As many processes as tests/schedule.py says: two a processor.
PYTEST_FLAGS ?= -n auto

# Hundreds of processes import svcform: let the first one keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test soak lint format lab lab-down bench clean

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.python: pyproject.toml .ci/python
	@.ci/python $(VENV)
	@touch $@

$(VENV)/.packages-demo: .ci/packages | $(VENV)/.python
	@.ci/packages demo
	@touch $@

$(VENV)/.packages-test: .ci/packages | $(VENV)/.python
	@.ci/packages test
	@touch $@

$(VENV)/.packages-firewalls: .ci/firewalls | $(VENV)/.packages-test
	@.ci/firewalls $(VENV)/firewalls
	@touch $@

$(VENV)/.busybox: .ci/busybox | $(VENV)/.packages-test
	@.ci/busybox $(VENV)/busybox
	@touch $@

$(VENV)/.nft: .ci/nft | $(VENV)/.packages-test
	@.ci/nft $(VENV)/nft
	@touch $@

$(VENV)/.uml-nftables: .ci/uml-nftables | $(VENV)/.packages-test
	@.ci/uml-nftables $(VENV)/uml-modules
	@touch $@

$(VENV)/.coredns: .ci/coredns | $(VENV)/.python
	@.ci/coredns
	@touch $@

demo: $(VENV)/.python $(VENV)/.packages-demo ## Services on a node of its own, from plan to destroy
	@$(BIN)/svcform lab demo

test: $(VENV)/.python $(VENV)/.packages-test $(VENV)/.packages-firewalls $(VENV)/.busybox $(VENV)/.nft $(VENV)/.uml-nftables $(VENV)/.coredns lint ## lint, then all tests
	$(BIN)/pytest $(PYTEST_FLAGS)

soak: $(VENV)/.python $(VENV)/.packages-test ## a power cut at every change of a file in two applies, and a boot after each
	$(BIN)/python -m tests.uml --all

lint: $(VENV)/.python ## ruff, mypy and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.python ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lab: $(VENV)/.python $(VENV)/.packages-test ## three nodes over SSH on this machine
	$(BIN)/svcform lab up --nodes $(LAB_NODES)

lab-down: $(VENV)/.python ## take the lab away
	$(BIN)/svcform lab down

bench: $(VENV)/.python $(VENV)/.packages-test ## measure, and print the tables of docs/benchmarks.md
	@for file in tests/bench/bench_*.py; do \
		echo "== $$file"; $(BIN)/python -m "$$(echo "$${file%.py}" | tr / .)" || exit 1; \
	done

clean: ## remove what make made, except the lab
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
