# The two commands: make demo, make test. `make` alone prints all of them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# uv from PATH; where it is missing, one of this checkout's own. Its version is pinned in cookiecutter.json.
UV := $(shell command -v uv || echo .tools/bin/uv)
UV_VERSION = $(shell sed -n 's/.*"_uv_version": "\(.*\)".*/\1/p' cookiecutter.json)
PYTHON_FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
CHECK_PYTHON = $(PYTHON) -c '$(PYTHON_FITS)' 2>/dev/null || { echo "$$($(PYTHON) --version 2>/dev/null || echo "No $(PYTHON)"): this template needs Python 3.11 to 3.14. Name one: make demo PYTHON=python3.13" >&2; exit 1; }
SLUG ?= my-etl
# The baked projects install with the same uv.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
# Some containers set it; Airflow, started again and again, would be compiled again and again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/bin/uv:
	@$(CHECK_PYTHON)
	@$(PYTHON) -m venv .tools || { echo "Install uv (https://docs.astral.sh/uv) or Python's venv module (Debian: apt-get install python3-venv), then try again." >&2; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.installed: requirements.lock | $(filter .tools/bin/uv,$(UV))
	@$(CHECK_PYTHON)
	@$(BIN)/python -c '$(PYTHON_FITS)' 2>/dev/null || { rm -rf .venv; $(UV) venv --quiet --python $(PYTHON) .venv; }
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .
	@touch $@

.PHONY: demo
demo: .venv/.installed ## Bake the default project into build/ and run its ETL on the sample days
	@$(BIN)/cookiecutter --no-input --overwrite-if-exists --output-dir build . project_slug=$(SLUG)
	@$(MAKE) --no-print-directory -C build/$(SLUG) run

.PHONY: test
test: .venv/.installed ## Run every test, the baked projects' own included (Airflow is installed for them)
	@$(BIN)/python -m pytest -n 2 -m "not e2e"

.PHONY: test-fast
test-fast: .venv/.installed ## Under a minute: the files that come out, their style, values, keys, pages and packages
	@$(BIN)/python -m pytest -n 2 -m "not airflow and not servers and not chart and not e2e" \
	  tests/template/bake tests/template/docs tests/dag_integrity tests/etl_tools/test_cli.py tests/etl_tools/packages \
	  tests/etl_tools/secrets/test_keys.py tests/etl_tools/secrets/test_known_hosts.py tests/template/ci/test_own_ci.py

# Stands for the image in the end-to-end tests.
build/e2e/image/.installed: tests/e2e/requirements.lock | $(filter .tools/bin/uv,$(UV))
	@test -x $(@D)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r tests/e2e/requirements.lock
	@touch $@

.PHONY: e2e
e2e: .venv/.installed build/e2e/image/.installed ## Run a person's whole way on real servers (sshd, PostgreSQL, Redis, S3, a browser)
	@tests/e2e/isolated.sh $(BIN)/python -m pytest -m e2e tests/e2e

.PHONY: host
host: ## Once, for whoever hosts this template: write its real address into every page (ADDRESS=gh:acme/airflow-etl-template)
	@test -n "$(ADDRESS)" || { echo "Say where: make host ADDRESS=gh:acme/airflow-etl-template" >&2; exit 2; }
	@git grep -lz 'gh:org/airflow-etl-template' -- '*.md' | xargs -0 perl -pi -e 's|\Qgh:org/airflow-etl-template\E|$$ENV{ADDRESS}|g'

.PHONY: size
size: .venv/.installed ## Count the files and lines of a generated project, beside the goals
	@$(BIN)/python scripts/size.py

# On a cluster that may be tried on: CHART and TIMEOUT are handed on; tests/etl_tools/cluster/real/test_scenario.py has the rest.
.PHONY: test-cluster
test-cluster: .venv/.installed ## Go a person's whole way on the cluster of KUBECONFIG, in namespaces of its own
	@test -n "$${KUBECONFIG:-}" || { echo "KUBECONFIG=... make test-cluster: name the kubeconfig of a cluster that may be tried on." >&2; exit 2; }
	@TEST_CLUSTER=yes CI=true $(BIN)/python -m pytest -n 0 -v -rA tests/etl_tools/cluster/real

# Not in CI: half an hour, for whoever changes what these tests hold.
.PHONY: mutate
mutate: .venv/.installed ## Break the code in small ways and see whether a test notices (ONLY=restore: those with that word)
	@$(BIN)/python scripts/mutate.py

.PHONY: lint
lint: .venv/.installed ## Check the style of the template's own code, and the types of src/
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Days that a release has to be out before `make lock` and `make bump` take it: most bad ones are found by then.
# COOLDOWN=0 is for a fix that cannot wait.
COOLDOWN ?= 7
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
  --exclude-newer "$(COOLDOWN) days"

.PHONY: lock
lock: | $(filter .tools/bin/uv,$(UV)) ## Resolve the template's and the project's dependencies again
	@$(COMPILE) $(UPGRADE) --group dev pyproject.toml -o requirements.lock
	@$(COMPILE) $(UPGRADE) --constraint requirements.lock pyproject.toml -o dag-integrity.lock
	@$(MAKE) --no-print-directory .venv/.installed
	@PATH="$(dir $(UV)):$$PATH" $(BIN)/python scripts/stock_image.py
	@UV_EXCLUDE_NEWER="$(COOLDOWN) days" $(BIN)/python scripts/lock_project.py UPGRADE=$(UPGRADE)
	@$(COMPILE) --constraint "<<cookiecutter.project_slug>>/requirements.lock" \
	  $(UPGRADE) --group image pyproject.toml -o tests/e2e/requirements.lock
	@$(COMPILE) --constraint "<<cookiecutter.project_slug>>/requirements.lock" \
	  $(UPGRADE) --group recipes pyproject.toml -o tests/library/pages/requirements.lock

.PHONY: rules
rules: .venv/.installed ## Write the pages of the DAG checks' rules: docs/rules.md, and what --explain shows
	@PYTHONPATH=. $(BIN)/python scripts/rules.py

.PHONY: wheel
wheel: .venv/.installed ## Build the projects' wheel from src/, and write its version and hash where they stand
	@$(BIN)/python scripts/wheel.py

.PHONY: copier
copier: .venv/.installed ## Write copier.yml again from cookiecutter.json
	@$(BIN)/python scripts/copier_questions.py

.PHONY: bump
bump: .venv/.installed ## Bring every pin in cookiecutter.json to the newest release, and lock again; then make test
	@PATH="$(dir $(UV)):$$PATH" COOLDOWN=$(COOLDOWN) $(BIN)/python scripts/bump.py
	@$(MAKE) --no-print-directory copier lock UPGRADE=--upgrade

.PHONY: bench
bench: .venv/.installed build/e2e/image/.installed ## Measure what the README and the values quote
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

.PHONY: bench-checks
bench-checks: .venv/.installed | $(filter .tools/bin/uv,$(UV)) ## Compare the DAG checks with other tools (each is installed into build/ the first time)
	@PATH="$(dir $(UV)):$$PATH" $(BIN)/python benchmarks/dag_checks/bench.py

.PHONY: clean
clean: ## Remove what make made
	rm -rf .venv .tools build
