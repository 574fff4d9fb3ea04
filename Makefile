# The only command surface of the suite; `make` shows the menu.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CODE := chassis services gateway cli bench tools tests
# The lists name no package index and no path of this machine.
PIN = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url $(UPGRADE)
# Folders that are not there yet are not checked.
PRESENT = $(wildcard $(CODE))

.DEFAULT_GOAL := help
.PHONY: help setup gen demo up check test test-whole faults explore bench trace lock release-image clean

help: ## show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the pinned libraries (others do it when needed)

# The stamp is older than the pinned lists when they change, and then the environment follows them.
$(READY): requirements/runtime.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name it: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@# A .pth file puts the code and the contracts on the path; an editable install would fetch an unhashed build tool.
	@$(BIN)/python -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("purelib"), "shuke.pth"), "w").write(f"{os.getcwd()}\n{os.getcwd()}/protos/gen\n")'
	@# The `shuke` command, without an install step of its own.
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m cli "$$@"\n' > $(BIN)/shuke && chmod +x $(BIN)/shuke
	@touch $@

gen: $(READY) ## generate code, stubs and the image of the contracts into protos/gen, and the tables of settings
	$(BIN)/python -m tools.gen
	$(BIN)/python -m tools.settings

demo: $(READY) ## start the suite on example data and show what it does
	$(BIN)/python -m cli demo

up: $(READY) ## start the suite here and keep it running; REPLICAS=2, ENGINE=production
	$(BIN)/python -m cli up $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(ENGINE),--engine $(ENGINE))

check: $(READY) ## lint, format, types, contracts, generated code: all that needs no run
	$(BIN)/python -m tools.check $(PRESENT)

test: $(READY) ## run every test, on a slice of the data where the whole takes minutes
	$(BIN)/python -m pytest -n 2 --dist load --maxschedchunk 1 -m "not whole"

test-whole: $(READY) ## run the tests on whole data, and what needs Node
	$(BIN)/python -m pytest -n 2 --dist load --maxschedchunk 1 -m whole --ignore tests/faults

faults: $(READY) ## inject every fault in full, and tell of each what was injected, acknowledged and found
	$(BIN)/python -m pytest tests/faults -m whole

explore: $(READY) ## look for examples that break a property, other ones each time; what is found becomes a test
	$(BIN)/python -m pytest -n 2 --dist load --hypothesis-profile explore -m "not timeout and not whole"

bench: $(READY) ## measure what things cost, against targets; ONLY="calls evaluation" takes some parts
	$(BIN)/python -m bench $(ONLY)

trace: $(READY) ## list which requirements are proved by which tests
	$(BIN)/python -m tools.trace

lock: $(READY) ## pin the libraries anew; UPGRADE=--upgrade takes the newest of each
	$(PIN) requirements/runtime.in -o requirements/runtime.txt
	$(PIN) requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt

release-image: gen ## on a release: keep the contracts' image, which `make check` guards from then on
	cp protos/gen/shuke.binpb protos/released.binpb

clean: ## remove .venv, build and caches, never the suite's data
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
