# make run    a whole tidings on this machine, with a fake SMS gateway and fifteen messages
# make unit   the unit tests: seconds, no stores
# make test   the checks and all the tests: what has to pass before a change lands
# make slow   the tests that take a minute or more each: every benchmark, the image, both wheels, the last release's own program
# make check  lint, format, types, imports
# make generate  docs/settings.md, docs/receivers.md, docs/mail-servers.md, the tables of docs/metrics.md and the Grafana
#             dashboard, from what the code declares
# make bench  the benchmarks (minutes)
# make chaos  kills and pauses everything under load, and writes what came of it to build/chaos (hours; see ROUNDS, SEED)
# make failover  changes the stores under a running system, again and again (see ROUNDS)
# make soak   ten minutes of steady flow, in which nothing may grow (see MINUTES)
# make siege  a minute in which strangers try everything while honest clients post and receive (see SECONDS)
# make dist   the wheels of tidings and of tidings-client, in dist/
# make lock   the newest versions that pyproject.toml allows, pinned, and the hashes of what the image is built of
# make sbom, audit  what the image is made of (CycloneDX), and what is known to be wrong with it (from the internet)
# make cluster, apply, hpa, re, delete   a Kubernetes with all of it: kubernetes/cluster.mk

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install run test check generate bench chaos soak siege lock hashes sbom audit clean

install: $(VENV)/.installed

# Who only runs it waits for no development tools; with them, what it runs on is there too.
$(VENV)/.runs: EXTRA := embedded
$(VENV)/.installed: EXTRA := dev
$(VENV)/.runs $(VENV)/.installed: pyproject.toml client/pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	    --editable client --editable '.[$(EXTRA)]'
	touch $(VENV)/.runs $@

run: $(VENV)/.runs
	$(BIN)/tidings up --demo

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 --package tidings_client
	$(BIN)/lint-imports

.PHONY: unit
unit: install
	$(BIN)/python -m pytest tests/unit --quiet -n 2

# Three at a time, since most tests wait, and the longest first; those that kill, pause and besiege have the machine to themselves.
test: check
	$(BIN)/python -m pytest tests/integration/benchmarks tests/failover tests/security tests/e2e tests --ignore tests/chaos --ignore tests/siege \
	    -n 3 --dist loadfile --no-loadscope-reorder -m 'not slow'
	$(BIN)/python -m pytest tests/chaos tests/siege

.PHONY: slow
slow: install
	$(BIN)/python -m pytest tests/integration/benchmarks tests/deployment -m slow

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

siege: SECONDS ?= 60
siege: install
	$(BIN)/python -m tests.siege --seconds $(SECONDS) --report build/siege/report.md

generate: install
	$(BIN)/python -m docs.settings_page
	$(BIN)/python -m docs.metrics_page
	$(BIN)/python -m compose.grafana.dashboard
	$(BIN)/python -m tests.integration.channels.http.zoo
	$(BIN)/python -m tests.integration.channels.smtp.zoo

# Neither is in an index of ours: tidings needs the tidings-client of the same checkout. What an earlier build left behind
# goes into neither.
.PHONY: dist
dist:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	rm -rf dist build/lib client/build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist ./client .

# Takes the newest versions that pyproject.toml allows, and pins them.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check ./client '.[dev]'
	build/lock/bin/python -m pip freeze --exclude tidings --exclude tidings-client > constraints.txt
	$(MAKE) hashes

# What the image is built of, each file by its hash: nobody can slip another one in between.
hashes:
	test -x build/lock/bin/uv || $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock/bin/python compose/requirements.py apprise otel | build/lock/bin/uv pip compile --quiet --universal \
	    --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	    --constraint constraints.txt --output-file compose/requirements.lock -
	rm -rf build/lock

# What the image is made of, for who has to know it, and what is known to be wrong with it. Both ask the internet, so
# they are no part of `make test`.
sbom audit: build/release/bin/python
build/release/bin/python: compose/requirements.lock
	rm -rf build/release && $(PYTHON) -m venv build/release
	build/release/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-audit

sbom:
	build/release/bin/cyclonedx-py requirements compose/requirements.lock --pyproject pyproject.toml \
	    --output-reproducible --output-file build/sbom.json

audit:
	build/release/bin/pip-audit --require-hashes --disable-pip --requirement compose/requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info client/build client/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

include kubernetes/cluster.mk
