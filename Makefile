# What a person types here; `make help` lists it. Works with GNU make 3.81 and later.

QUEUE ?= embedded
STORE ?= embedded
PIP_ARGS ?=
CASES ?=
RUNS ?=
TEST_JOBS ?= 2
TESTS ?=
SLOW ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)

BIN := .venv/bin
INSTALLED := .venv/installed

# Relative on purpose: pip splits this value at spaces, and the clone's path may have some.
# Pip before 26.2 pins its build environments by the first, later ones by the second.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Where an environment forbids it, every start would compile all that it imports: twice the time.
export PYTHONDONTWRITEBYTECODE :=

# uv takes a third of pip's time, and goes where pip would: pip's own index settings are handed on.
PIP_SETTING = $(BIN)/python -m pip config get global.$(1) 2>/dev/null || true
INSTALL_WITH_UV = $(BIN)/python -m pip install --quiet uv 2>/dev/null \
	&& UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(call PIP_SETTING,index-url))}}" \
	UV_INDEX="$${UV_INDEX:-$${PIP_EXTRA_INDEX_URL:-$$($(call PIP_SETTING,extra-index-url))}}" \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --index-strategy unsafe-best-match \
		--constraints constraints.txt --build-constraints constraints.txt $(PIP_ARGS) \
		--editable '.[demo,dev]'

.PHONY: help demo test check contract bench soak up clean

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(INSTALLED) ## run the whole path on BBC News; QUEUE=label-studio, STORE=lakefs for real servers
	@$(BIN)/datahub demo --queue "$(QUEUE)" --store "$(STORE)"

test: $(INSTALLED) ## run the tests; SLOW=1 the slow ones too, TEST_JOBS=1 one after the other
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadgroup --no-loadscope-reorder \
		$(if $(SLOW),,-m "not slow") $(TESTS)

contract: $(INSTALLED) ## run the contract suite of every port over every backend
	@$(BIN)/python -m pytest tests/contract

check: $(INSTALLED) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(INSTALLED) ## measure against peers, write docs/benchmarks.md; CASES="name name" for some, BENCH_DATA=folder
	@$(BIN)/python -m bench $(CASES)

soak: $(INSTALLED) ## long hunts: generated files, hostile names, faults of a server, attacks on the gate; RUNS="name name" for some
	@$(BIN)/python -m bench.soak $(RUNS)

up: ## start the team's services with Docker; needs a .env with their secrets
	@test -f .env || { echo "There is no .env: docker-compose.yml takes every secret from it." >&2; exit 2; }
	docker compose up -d --wait

clean: ## remove the virtual environment, builds and caches
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "datahub needs Python 3.11, 3.12 or 3.13, and none is on the PATH." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "PYTHON=$(PYTHON) is not Python 3.11, 3.12 or 3.13." >&2; exit 2; }
	@"$(PYTHON)" -c 'import venv, ensurepip' || { \
		echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv && "$(PYTHON)" -m venv .venv; }
	@echo "Installing the pinned packages into .venv: about a minute the first time (torch is large)." >&2
	@$(BIN)/python -m pip install --quiet pip
	@$(INSTALL_WITH_UV) || { echo "uv is not to be had or failed here; installing with pip." >&2; \
		$(BIN)/python -m pip install --quiet $(PIP_ARGS) --editable '.[demo,dev]'; }
	@$(BIN)/python -m compileall -q datahub
	@$(BIN)/python -c 'import datahub.cli.commands, polars, pyarrow.parquet, sqlmodel, dulwich.repo'
	@touch $@
