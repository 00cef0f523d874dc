# make run    a broker on localhost:9092, its data in ./var/data
# make test   everything that runs without a real Kafka client matrix: unit tests, style, types
# make compat the matrix of stock clients (installs them first; about seven minutes)
# make compat-disk  data directories against Apache Kafka's own code (brings its jars first; 25 minutes on a very busy machine)
# make compat-disk-long  the same with a million records compacted
# make kill9  50 rounds of kill -9 under load, 20 under transactions
# make exactly-once  Apache Kafka's own transactional copiers under kill -9, alone and in a group (six minutes)
# make exactly-once-long  ten minutes of each
# make share    Kafka's share consumer and its tools, a consumer and the broker killed (in make compat too; a minute)
# make migration  groups go over to the new protocol and back under load (in make compat too; a minute)
# make streams  Kafka Streams applications by either protocol, one instance killed (in make compat too; half a minute)
# make streams-smoke  Apache Kafka's StreamsSmokeTest, exactly once, over a kill -9 of the broker (five minutes)
# make kill9-long   200 rounds amid rolls, retention and compaction, and 20 of a disk that fills up (half an hour)
# make suites other projects' own test suites (builds them first; an hour)
# make walks  10,000 random walks of each of the coordinators' seven state machines (an hour of one core; SEEDS=500: minutes)
# make bench  kwire beside Apache Kafka and kfake (about half an hour)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test lint compat compat-disk compat-disk-long kill9 kill9-long exactly-once exactly-once-long share migration streams streams-smoke suites walks bench clean

run: $(VENV)/.installed
	$(BIN)/kwire start --data-dir var/data

test: $(VENV)/.installed-test lint
	$(BIN)/pytest -n auto tests

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compat: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.matrix
	$(BIN)/python -m compat_tests.share
	$(BIN)/python -m compat_tests.migration
	$(BIN)/python -m compat_tests.streams

share: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.share

migration: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.migration

streams: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.streams

streams-smoke: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.durability.streams_smoke

suites: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.suites

kill9: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.durability.kill9 --rounds 50
	$(BIN)/python -m compat_tests.durability.txn_kill9 --rounds 20

exactly-once: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.durability.exactly_once
	$(BIN)/python -m compat_tests.durability.exactly_once --group

exactly-once-long: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.durability.exactly_once --minutes 10
	$(BIN)/python -m compat_tests.durability.exactly_once --minutes 10 --group

compat-disk: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.disk

compat-disk-long: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.disk --compaction-records 1000000

kill9-long: $(VENV)/.installed-test
	$(BIN)/python -m compat_tests.durability.churn --rounds 200
	$(BIN)/python -m compat_tests.durability.full_disk --rounds 20

SEEDS ?= 10000

walks: $(VENV)/.installed-test
	$(BIN)/python -m tests.walks --seeds $(SEEDS) --jobs $$(nproc)

bench: $(VENV)/.installed
	bench/setup.sh
	bench/compare.sh -n 3 kwire kafka-4.3 kfake

clean:
	rm -rf $(VENV) var

# A virtual environment of the project's own; made again when what it holds has changed.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("kwire needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV) || { echo "No venv module: on Debian, apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q kwire
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,cluster,metrics]'
	$(BIN)/python -m compileall -q kwire
	touch $(VENV)/.installed $@
