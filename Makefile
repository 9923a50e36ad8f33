# What a person does with the checkout. Everything that is missing is installed by `setup`; nothing is done by hand.
SHELL := /bin/bash
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# Its tests, one an operation, all bear one name: shared by files only the first of them would run.
FUZZ := tests/test_api_fuzz.py
# Without the plugin that this one file needs: it costs each process two seconds to load.
QUICK := -m "not cluster and not browser and not slow and not faults and not chart" -p no:schemathesis --ignore $(FUZZ)
# Four at once, as they wait a quarter of the time; who is done first takes from who is behind.
SHARED := -n 4 --dist worksteal
# Three at once, as they mostly wait; what must not meet is kept apart by tests/sharing.py.
WHOLE := -m "cluster or browser or slow" --dist loadfile --no-loadscope-reorder --ignore $(FUZZ)

# Three thousand tests with real parts on a machine shared with others: one that fails is asked once more, and the summary names it
# (docs/decisions/0008-asked-once-more.md).
AGAIN := --reruns 1
# A real node or a browser may be behind for some seconds: asked again at once it would be the same moment.
LATER := --reruns 2 --reruns-delay 5 --tb=short

# Some images set it: each of a hundred processes of the tests would compile all our modules again.
unexport PYTHONDONTWRITEBYTECODE

# The same tests again on a PostgreSQL of their own, as far as they ask a database.
POSTGRES := $(PY) -m tests.postgresql $(PYTEST)

.PHONY: run docs setup assets quick test test-versions test-postgres test-chart lint audit fuzz faults bench sandbox-up sandbox-down clean

run: setup ## a real Kubernetes, the studio, and the sample job
	@$(PY) setup/run.py

setup: ## install what is missing (quick when nothing is)
	@bash setup/install.sh

assets: setup ## bundle the pages' scripts and styles anew
	@bash setup/assets.sh --anew

quick: setup ## tests that need neither a cluster nor a browser
	@$(PYTEST) $(QUICK) -q $(SHARED)

test: setup ## every test, on the sandbox's real cluster and in a real browser
	@$(PYTEST) $(QUICK) $(AGAIN) -q $(SHARED)
	@$(PY) -m sandbox up
	@bash setup/beside.sh '$(PYTEST) $(FUZZ) $(AGAIN) -q && $(POSTGRES) $(QUICK) $(AGAIN) --of-database -q' '$(PYTEST) $(WHOLE) $(LATER) -q -n 3'

test-versions: setup ## the oldest and the newest supported Kubernetes
	@bash setup/versions.sh

test-postgres: setup ## every test that asks a database, the cluster and browser ones included, on PostgreSQL
	@$(POSTGRES) $(QUICK) $(AGAIN) --of-database -q $(SHARED)
	@$(POSTGRES) $(FUZZ) $(AGAIN) -q -n 3
	@$(PY) -m sandbox up
	@$(POSTGRES) $(WHOLE) $(LATER) -q -n 3

test-chart: setup ## the studio's images and chart: installed into a cluster of its own, with the main job (docs/operators/in-cluster.md)
	@$(PYTEST) -m chart tests/chart -p no:schemathesis -q --tb=short

# Not shared out: each of these breaks what the next one needs whole.
faults: setup ## break every part of a studio and of a cluster of its own, then at random: SECONDS=600 SEED=1 (docs/contributors/faults.md)
	@MOORING_FAULTS_SECONDS=$(SECONDS) MOORING_FAULTS_SEED=$(SEED) $(PYTEST) -m faults tests/faults -p no:schemathesis -q --tb=short

docs: setup ## build the documentation into .mooring/docs, which the studio serves; a broken link fails it
	@bash setup/docs.sh --anew

lint: setup ## style, types, layers, templates, migrations
	@bash setup/lint.sh

audit: setup ## whether a vulnerability of a package that is used is known
	@$(PY) setup/audit.py

fuzz: setup ## hostile input for ten minutes, at random and led by what it reaches (docs/contributors/hostile-input.md)
	@MOORING_FUZZ=$${MOORING_FUZZ:-2000} $(PYTEST) tests/hostile -p no:schemathesis --timeout 3600 -q -n 2
	@$(PY) -m tests.hostile.guided

bench: setup ## measure everything, about three hours and a half, and write docs/benchmarks.md
	@$(PY) -m benchmarks all

sandbox-up: setup
	@$(PY) -m sandbox up

sandbox-down:
	@$(PY) -m sandbox down

clean: ## remove what was made in this checkout (the cluster and the cache stay: see README)
	@rm -rf .venv node_modules static/dist static/collected .mooring .mypy_cache .ruff_cache .pytest_cache *.egg-info
