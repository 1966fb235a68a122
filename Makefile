# Two commands on a fresh machine: `make demo` shows what the project is for, `make test` proves it.
# Both make .venv themselves. PYTHON picks the interpreter (3.10 to 3.13), RUNS the folder of runs.

PYTHON ?= python3
RUNS ?= runs
INPUTS ?= 10000
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
# In the order of tests/conftest.py: else a file with few tests, most of them slow, comes last.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)
EVALUATE := $(BIN)/python -m whisper_ft evaluate
# A run that was stopped goes on, one that is finished says so.
TRAIN = $(BIN)/python train.py $(if $(wildcard $(1)/config.json),--resume $(1),--model tiny.en --out $(1) $(2))

.PHONY: help install tools demo table lint quick check test coverage matrix drills fuzz docs clean

help:
	@echo "make demo      fine-tune tiny.en on data/ and compare it with stock"
	@echo "make check     lint, types and the quick tests, in a minute: before every commit"
	@echo "make test      lint, types and all tests"
	@echo "make coverage  all tests and their branch coverage"
	@echo "make table     reproduce the README's table: two runs, three evaluations"
	@echo "make drills    kill, fill and damage runs, and write the table of it (as root, for small disks)"
	@echo "make matrix    the quick tests with other versions of Python and torch"
	@echo "make fuzz      10,000 corrupted inputs for every reader (Linux)"
	@echo "make docs      build the documentation in site/, readable without a network"
	@echo "make clean     remove .venv, build, site and the runs of demo and table"

install: $(VENV)/installed

# torch goes first and pinned: an open range pulls the CUDA build of several GB. In the folder that
# holds the checkout, another editable mode would take the checkout for the package.
$(VENV)/installed: $(CONSTRAINTS) setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch setuptools wheel
	$(PIP) --no-build-isolation --config-settings editable_mode=compat \
	  --editable ".[dev,docs,prepare,augment,plot,speak,formats]"
	@touch $@

# What tests need beside Python: ffmpeg for whisper's own command, a browser for the report,
# synthesizers for `prepare speak`.
tools:
	@{ command -v ffmpeg && command -v chromedriver && command -v espeak-ng && command -v flite; \
	  } >/dev/null || { \
	  echo "ffmpeg, chromedriver, espeak-ng or flite is missing; trying to install them"; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update && apt-get -qq \
	    install -y ffmpeg chromium chromium-driver espeak-ng flite >/dev/null; } || { \
	  echo "install them first: apt install ffmpeg chromium chromium-driver espeak-ng flite, or" \
	    "brew install ffmpeg chromedriver (beside Chrome) espeak-ng flite"; exit 1; }

demo: install
	$(EVALUATE) tiny.en data/test.jsonl --name "stock tiny.en" --json $(RUNS)/demo.stock.json
	$(call TRAIN,$(RUNS)/demo)
	$(EVALUATE) $(RUNS)/demo/best.pt data/test.jsonl --name "fine-tuned with prompts" \
	  --json $(RUNS)/demo.tuned.json
	@echo; $(BIN)/python -m whisper_ft table $(RUNS)/demo.stock.json $(RUNS)/demo.tuned.json
	@echo; $(BIN)/python data/transcribe.py $(RUNS)/demo/best.pt

table: install
	$(EVALUATE) tiny.en data/test.jsonl --name "stock tiny.en" --json data/results/stock.json
	$(call TRAIN,$(RUNS)/table-without,--prompts own=0)
	$(EVALUATE) $(RUNS)/table-without/best.pt data/test.jsonl \
	  --name "fine-tuned without prompts" --json data/results/without.json
	$(call TRAIN,$(RUNS)/table-with)
	$(EVALUATE) $(RUNS)/table-with/best.pt data/test.jsonl \
	  --name "fine-tuned with prompts" --json data/results/with.json
	$(BIN)/python -m whisper_ft table data/results/stock.json data/results/without.json \
	  data/results/with.json --into README.md

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

check: lint quick

quick: install
	$(BIN)/python -m pytest -q -m "not (drill or weights or slow)" $(PARALLEL)

test: lint tools
	$(BIN)/python -m pytest $(PARALLEL) --durations=5

coverage: install tools
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=
	@echo "branch coverage of whisper_ft, in the tests' own processes: $$($(BIN)/coverage report --format=total) %"

matrix:
	tests/matrix.sh

drills: install tools
	mkdir -p $(RUNS)
	$(BIN)/python -m pytest tests/drills -m "" --numprocesses 2 --junitxml $(RUNS)/drills.xml; \
	  status=$$?; $(BIN)/python tests/drills/table.py $(RUNS)/drills.xml \
	  --into docs/explanation/durability.md; exit $$status

fuzz: install
	$(PIP) atheris
	for target in manifest subtitles tokens audio checkpoint features samples evaluations; do \
	  $(BIN)/python tests/fuzz/run.py $$target --inputs $(INPUTS) || exit 1; done

docs: install
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

clean:
	rm -rf .venv build site $(RUNS)/demo $(RUNS)/demo.*.json $(RUNS)/table-with $(RUNS)/table-without
