# Everything starts from Python and make: `make demo` and `make test` set themselves up. `make help` lists the rest.

PYTHON ?= python3
PHOTOS ?=
BENCH ?= express_lane
ARGS ?=
TORCH_INDEX ?=
# One environment per checkout and version of pyproject.toml; with torch and CUDA it weighs 5.5 GB.
VENV ?= .venv-$(shell cksum < pyproject.toml | cut -d' ' -f1)
# A stamp says what is installed from which checkout, so that an environment given by VENV= is not taken for ready.
KEY := $(shell { pwd; cat pyproject.toml; } | cksum | cut -d' ' -f1)
BIN := $(VENV)/bin
DEMO_READY := $(VENV)/.photograft-demo-$(KEY)
DEV_READY := $(VENV)/.photograft-dev-$(KEY)
BENCH_READY := $(VENV)/.photograft-bench-$(KEY)
SERVE_READY := $(VENV)/.photograft-serve-$(KEY)
SOURCES := src tests benchmarks

# Through the environment, so that a folder may have any name.
export PHOTOS

.DEFAULT_GOAL := help
.PHONY: help demo serve-demo test test-slow test-all check format docs bench install clean clean-all

help:  ## list the targets
	@echo "make demo               train on 2,000 textile photos that come along, and say where the report is"
	@echo "make demo PHOTOS=path/  train on your own photos, one folder per class"
	@echo "make serve-demo         train the demo once, and serve it: a page and an API on this machine (PORT=8000)"
	@echo "make test               run the tests (about five minutes)"
	@echo "make test-slow          run the end-to-end checks that take longer"
	@echo "make test-all           run both"
	@echo "make check              check format, lint and types"
	@echo "make format             format the code"
	@echo "make docs               write docs/reference/settings.md anew"
	@echo "make bench              run benchmarks/express_lane.py; BENCH=name runs another, ARGS='...' passes options"
	@echo "make install            set up the development environment and nothing else"
	@echo "make clean              remove caches, builds and environments of older versions of pyproject.toml"
	@echo "make clean-all          remove the current environment too"
	@echo
	@echo "PYTHON=python3.12       the Python to build the environment with, 3.11 or newer"
	@echo "VENV=folder             the environment; now $(VENV)"
	@echo "TORCH_INDEX=URL         take torch from there. It saves 5 GB to take the index without CUDA that"
	@echo "                        https://pytorch.org/get-started/locally/ names for your system"

demo: $(DEMO_READY)
	@photos="$$PHOTOS"; \
	if [ -z "$$photos" ]; then \
		photos="$$($(BIN)/python -c 'import conformal_clip_data as c, pathlib; print(pathlib.Path(c.__file__).parent / "data/textile_images/simulated")')"; \
	fi; \
	$(BIN)/photograft train "$$photos" --name demo

PORT ?= 8000

# Trained once: a run of that name that is whole is served again.
serve-demo: $(SERVE_READY)
	@if ! ls runs/*-serve-demo/report.html >/dev/null 2>&1; then \
		photos="$$($(BIN)/python -c 'import conformal_clip_data as c, pathlib; print(pathlib.Path(c.__file__).parent / "data/textile_images/simulated")')"; \
		$(BIN)/photograft train "$$photos" --name serve-demo; \
	fi
	$(BIN)/photograft serve "$$(ls -d runs/*-serve-demo | tail -1)" --port $(PORT)

# Tests of one file share what its fixtures have trained.
PARALLEL := -n 2 --dist loadfile

test: $(DEV_READY)
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(ARGS)

test-slow: $(DEV_READY)
	$(BIN)/python -m pytest -m slow $(PARALLEL) $(ARGS)

test-all: $(DEV_READY)
	$(BIN)/python -m pytest $(ARGS)

check: $(DEV_READY)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

format: $(DEV_READY)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: $(DEV_READY)
	$(BIN)/python -m photograft.config.reference docs/reference/settings.md

bench: $(BENCH_READY)
	$(BIN)/python "benchmarks/$(BENCH).py" $(ARGS)

install: $(DEV_READY)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path './.*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@for old in .venv-[0-9]*; do [ "$$old" = "$(VENV)" ] || rm -rf "$$old"; done

clean-all: clean
	rm -rf .venv-[0-9]*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "photograft needs Python 3.11 or newer, and '$(PYTHON)' is not: give one with PYTHON=/path/to/python3" >&2; \
		exit 1; \
	}
	$(PYTHON) -m venv "$(VENV)"
	@if [ -n "$(TORCH_INDEX)" ]; then \
		$(BIN)/python -m pip install --index-url "$(TORCH_INDEX)" torch torchvision; \
	fi

$(DEMO_READY): | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[train,demo]'
	@touch $@

$(SERVE_READY): | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[train,demo,serve]'
	@touch $@

$(DEV_READY): | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[train,demo,heif,tune,mlflow,tensorboard,serve,faiss,openvino,ray,dev]'
	@touch $@

$(BENCH_READY): | $(DEV_READY)
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[bench]'
	@touch $@
