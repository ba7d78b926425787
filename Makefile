# `make demo` and `make test` need only make and git: the rest is installed into the system (with apt-get) and into .venv.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A virtual screen, as wide as a small laptop's. napari needs OpenGL, which Qt's "offscreen" platform has not.
SCREEN := xvfb-run --auto-servernum --server-args="-screen 0 1366x768x24"
# Two at a time, each with a virtual screen of its own (pytest-xvfb).
PYTEST_ARGS ?= --numprocesses 2 --dist worksteal --durations=15

export PYTHONUTF8 := 1

.NOTPARALLEL:
.PHONY: help demo test lint types imports pytest coverage format wheel clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/installed ## The whole main job on sample images, scripted, in a real window; results in demo-out
	@$(SCREEN) $(BIN)/napari-adasam demo --headless --out "$(OUT)"

test: lint types imports pytest ## Everything that has to pass

lint: $(VENV)/installed-for-tests ## Ruff: rules and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-for-tests ## Mypy, strict
	@$(BIN)/mypy

imports: $(VENV)/installed-for-tests ## Which folder may import which
	@$(BIN)/lint-imports --no-logo

pytest: $(VENV)/installed-for-tests ## The tests, those of the window on virtual screens
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: $(VENV)/installed-for-tests ## The tests, and which lines they reach
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) --cov --cov-report=term

format: $(VENV)/installed-for-tests ## Lay the code out
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

wheel: $(VENV)/installed ## Build the wheel into dist
	@$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what make has made
	rm -rf $(VENV) .make demo-out dist .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.make/system: scripts/system_packages.sh
	@mkdir -p .make
	@bash scripts/system_packages.sh
	@touch $@

$(BIN)/python: .make/system scripts/make_venv.sh
	@bash scripts/make_venv.sh $(VENV)
	@touch $@

$(VENV)/installed: $(BIN)/python pyproject.toml
	@echo "Installing napari-adasam into $(VENV); torch is large, so this takes a few minutes the first time."
	@$(PIP) install --editable ".[all]"
	@touch $@

$(VENV)/installed-for-tests: $(BIN)/python pyproject.toml
	@echo "Installing napari-adasam and its test tools into $(VENV); torch is large, so this takes a few minutes the first time."
	@$(PIP) install --editable ".[all,test]"
	@touch $@ $(VENV)/installed
