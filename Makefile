# make demo       the simulated line, with dashboard        (HEADLESS=1 PARTS=60: without, and it ends)
# make test       formatting, linting, types, import rules, every test
# make train-env  adds torch, ultralytics and anomalib to .venv
# make screenshots  the pictures of dashboard/screenshots anew
# make system-deps  installs the Debian packages named in deploy/system-packages.txt

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c deploy/constraints.txt
GROUPS ?= run
PACKAGES = $(shell awk -v groups=" $(GROUPS) " '!/^\#/ && index(groups, " " $$1 " ") {print $$2}' deploy/system-packages.txt)
MISSING = $(shell for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q "ok installed" || echo $$p; done)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help demo test train-env system-deps check-system schemas screenshots clean

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

demo: $(VENV)/.lean
	$(BIN)/inspector demo $(if $(HEADLESS),--headless --interval 0.25) $(if $(PARTS),--parts $(PARTS)) $(ARGS)

train-env: $(VENV)/.train

test: export MPLBACKEND = Agg
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory system-deps GROUPS="run test"
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(ARGS)

# Without dpkg there is nothing to ask; the imports will tell.
check-system:
	@if command -v dpkg-query >/dev/null && [ -n "$(MISSING)" ]; then \
	  if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory system-deps GROUPS="$(GROUPS)"; else \
	  echo "missing: $(MISSING). Run 'make system-deps' (as root or with sudo)" >&2; exit 2; fi; fi

system-deps:
	@if [ -z "$(MISSING)" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] && [ -z "$(SUDO)" ]; then \
	  echo "install as root: apt-get install $(MISSING)" >&2; exit 2; fi; \
	$(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(MISSING) >/dev/null

$(BIN)/python: | check-system
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lean: pyproject.toml deploy/constraints.txt | $(BIN)/python
	$(PIP) -e '.[dashboard,demo,report]'
	@touch $@

$(VENV)/.train: $(VENV)/.lean
	$(PIP) -e '.[dashboard,demo,report,train]' torch torchvision
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	$(PIP) -e '.[dev]'
	@touch $@

schemas: $(VENV)/.lean
	$(BIN)/python -m inspector.contract

screenshots: $(VENV)/.dev
	$(BIN)/python tests/dashboard/screenshots.py

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache
