# make run    a whole tidings on this machine, with a fake SMS gateway and fifteen messages
# make unit   the unit tests: seconds, no stores
# make test   the checks and all the tests: what has to pass before a change lands
# make check  lint, format, types, imports
# make generate  docs/settings.md, docs/receivers.md, docs/mail-servers.md, the tables of docs/metrics.md and the Grafana
#             dashboard, from what the code declares
# make bench  the benchmarks (minutes)
# make chaos  kills and pauses everything under load, and writes what came of it to build/chaos (hours; see ROUNDS, SEED)
# make failover  changes the stores under a running system, again and again (see ROUNDS)
# make soak   ten minutes of steady flow, in which nothing may grow (see MINUTES)
# make cluster, apply, hpa, re, delete   a Kubernetes with all of it: kubernetes/cluster.mk

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install run test check generate bench chaos soak lock clean

install: $(VENV)/.installed

# Who only runs it waits for no development tools; with them, what it runs on is there too.
$(VENV)/.runs: EXTRA := embedded
$(VENV)/.installed: EXTRA := dev
$(VENV)/.runs $(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA)]'
	touch $(VENV)/.runs $@

run: $(VENV)/.runs
	$(BIN)/tidings up --demo

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: unit
unit: install
	$(BIN)/python -m pytest tests/unit --quiet -n 2

# Three at a time, since most tests wait, and the longest first; those that kill and pause under load have the machine to themselves.
test: check
	$(BIN)/python -m pytest tests/integration/benchmarks tests --ignore tests/chaos -n 3 --dist loadfile
	$(BIN)/python -m pytest tests/chaos

bench: ROUNDS ?= 3
bench: install
	$(BIN)/python -m benchmarks --rounds $(ROUNDS) --write

chaos: ROUNDS ?= 20
chaos: install
	$(BIN)/python -m pytest tests/chaos -m chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

.PHONY: failover
failover: ROUNDS ?= 20
failover: install
	for round in $$(seq $(ROUNDS)); do $(BIN)/python -m pytest tests/failover --quiet || exit 1; done

soak: MINUTES ?= 10
soak: install
	$(BIN)/python -m pytest tests/chaos/test_soak.py --minutes $(MINUTES)

generate: install
	$(BIN)/python -m docs.settings_page
	$(BIN)/python -m docs.metrics_page
	$(BIN)/python -m compose.grafana.dashboard
	$(BIN)/python -m tests.integration.channels.http.zoo
	$(BIN)/python -m tests.integration.channels.smtp.zoo

# Takes the newest versions that pyproject.toml allows, and pins them.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	build/lock/bin/python -m pip freeze --exclude tidings > constraints.txt
	rm -rf build

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

include kubernetes/cluster.mk
