# Two commands set everything up on a machine that has Python 3.11 or later and make:
#   make demo    segment a brain, teach a new structure, and show where the results are
#   make test    run every check and every test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
QT_READY := $(VENV)/.qt-ready
BENCH_READY := $(VENV)/.bench-ready

# Threads of PyTorch that wait for each other spin briefly and then sleep, see funet/threads.py.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 2000

.PHONY: demo test lint bench faults fuzz soak figures results screenshots clean

demo: $(READY)
	$(BIN)/python Demo/demo.py --output build/demo

# Processes of one thread each share out the files of tests. What fails there is tried again by itself,
# for others may have taken its time, and what measures time only runs alone.
test: lint $(QT_READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not alone" --numprocesses auto --maxprocesses 4 --dist loadfile \
		|| $(BIN)/python -m pytest -m "not alone" --last-failed
	$(BIN)/python -m pytest -m alone

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

faults: $(QT_READY)
	-$(BIN)/python -m pytest Testing/faults --faults-report build/faults.json
	$(BIN)/python Testing/faults/write_table.py build/faults.json

fuzz: $(READY)
	PYTHONPATH=Testing/engine $(BIN)/python Testing/faults/fuzz.py --inputs 110000 --seed 0

soak: $(READY)
	PYTHONPATH=Testing:Testing/engine:Testing/mrml $(BIN)/python Testing/faults/soak.py --jobs 200 --seed 0

screenshots: $(QT_READY)
	$(BIN)/python Testing/panel/take_screenshots.py

figures: $(READY)
	$(BIN)/python Testing/figures/plot_feedback_weight.py

results: $(READY)
	$(BIN)/python Testing/benchmarks/make_results.py

bench: $(BENCH_READY)
	$(BIN)/python Testing/benchmarks/speed.py

# Python compiles what it runs, which is a small part of what is installed.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --editable ".[dev]"
	touch $(READY)

$(QT_READY): $(READY) Testing/panel/install_system_libraries.sh
	sh Testing/panel/install_system_libraries.sh $(BIN)/python
	touch $(QT_READY)

$(BENCH_READY): $(READY) Testing/benchmarks/requirements-bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement Testing/benchmarks/requirements-bench.txt
	touch $(BENCH_READY)

clean:
	rm -rf $(VENV) build
