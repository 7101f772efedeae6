# Two commands set everything up on a machine that has Python 3.11 or later and make:
#   make demo    segment a brain, teach a new structure, and show where the results are
#   make test    run every check and every test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
QT_READY := $(VENV)/.qt-ready

.PHONY: demo test lint figures results screenshots clean

demo: $(READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python Demo/demo.py --output build/demo

test: lint $(QT_READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: $(QT_READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python Testing/panel/take_screenshots.py

figures: $(READY)
	$(BIN)/python Testing/figures/plot_feedback_weight.py

results: $(READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python Testing/benchmarks/make_results.py

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(READY)

$(QT_READY): $(READY) Testing/panel/install_system_libraries.sh
	sh Testing/panel/install_system_libraries.sh $(BIN)/python
	touch $(QT_READY)

clean:
	rm -rf $(VENV) build
