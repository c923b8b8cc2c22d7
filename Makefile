# What can be done here; `make` prints it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= local
IMAGE_local :=
IMAGE_docker := --image xgb:latest
JOBS ?= auto
FUZZ ?= 700
BENCH ?= full
PEERS_quick := --rounds 3 --minutes 6
GOALS_quick := --quick

.DEFAULT_GOAL := help
.PHONY: help demo test unit engines integration images docs picture fmt check bench fuzz clean

help: ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

$(VENV)/installed: pyproject.toml .ci/constraints.txt images/xgb/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[example]' --group dev --constraint images/xgb/requirements.txt --constraint .ci/constraints.txt
	@touch $@

demo: $(VENV)/installed ## the example, end to end: ENGINE=local (default) or ENGINE=docker
	$(if $(filter docker,$(ENGINE)),$(BIN)/python images/build.py xgb)
	$(BIN)/cursus-sandbox run examples/xgboost/dag.yaml --engine $(ENGINE) $(IMAGE_$(ENGINE))

test: check unit engines integration ## what CI runs

unit: $(VENV)/installed ## the fast tests, no container
	$(BIN)/pytest tests/unit tests/fuzz -n $(JOBS)

engines: $(VENV)/installed ## the engine promises, on every engine that is here
	$(BIN)/pytest tests/engines -n $(JOBS)

integration: $(VENV)/installed ## real runs, and the installed command as a black box
	$(BIN)/pytest tests/integration tests/conformance tests/e2e -n $(JOBS)

images: $(VENV)/installed ## build the images, if what they are made of has changed
	$(BIN)/python images/build.py --all

docs: $(VENV)/installed ## the docs site, in build/site: a warning is an error
	$(BIN)/python -m pip install --quiet --group docs --constraint images/xgb/requirements.txt --constraint .ci/constraints.txt
	$(BIN)/python docs/pages.py

picture: $(VENV)/installed ## docs/report.png again, with chromium
	$(BIN)/python docs/picture.py

fmt: $(VENV)/installed ## format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(VENV)/installed ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed ## what it costs, into docs/benchmarks.md: BENCH=quick takes ten minutes
	$(BIN)/python tests/bench/peers $(PEERS_$(BENCH)) --json docs/benchmarks.json
	$(BIN)/python tests/bench/goals.py $(GOALS_$(BENCH)) --json docs/benchmarks.json
	$(BIN)/python docs/benchmarks.py
	$(if $(filter quick,$(BENCH)),,$(BIN)/python tests/bench/planning.py)
	$(if $(filter quick,$(BENCH)),,$(BIN)/python tests/bench/synthetic.py)
	$(if $(filter quick,$(BENCH)),,$(BIN)/python tests/bench/checks.py)

fuzz: $(VENV)/installed ## damaged documents and data, FUZZ of each of 15 kinds
	CURSUS_SANDBOX_FUZZ=$(FUZZ) $(BIN)/pytest tests/fuzz -q

clean: ## take away what was made here, but for the images
	rm -rf $(VENV) .cursus-sandbox dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
