# The words of the workshop. `make demo` and `make test` need python3, pip and make; each makes .venv and installs what it uses.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
TWO := -n 2 --dist worksteal

.PHONY: help install demo test coverage check format bench bench-full docs soak clean

help:  ## these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo]"
	@touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/.demo

install: $(VENV)/.dev  ## .venv with everything that development needs

demo: $(VENV)/.demo  ## handwritten digits as PNG files: fit, test, export, serve, ask
	$(BIN)/flambeau demo

test: $(VENV)/.dev  ## all tests but the slowest
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(PYTEST) $(TWO) -m "not soak"

coverage: $(VENV)/.dev  ## the same, and which lines and branches they run: a third slower
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(PYTEST) $(TWO) -m "not soak" --cov --cov-report=term:skip-covered --cov-fail-under=90

check: $(VENV)/.dev  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## the quick benchmarks
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/walk.py --seeds 1
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/throughput.py --peers tutorial
	$(BIN)/python benchmarks/fashion_mnist.py
	$(BIN)/python benchmarks/jpeg_folder.py

bench-full: $(VENV)/.dev  ## all benchmarks with all peers, which are installed in environments of their own: hours
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/walk.py
	$(BIN)/python benchmarks/step.py --full
	$(BIN)/python benchmarks/throughput.py --full
	$(BIN)/python benchmarks/fashion_mnist.py --full
	$(BIN)/python benchmarks/jpeg_folder.py --full
	$(BIN)/python benchmarks/serving.py --full
	$(BIN)/python benchmarks/serving_overload.py --full
	$(BIN)/python benchmarks/recurrent_and_attention.py
	$(BIN)/python benchmarks/preset_exports.py
	$(BIN)/python benchmarks/text_pipeline.py
	$(BIN)/python benchmarks/zero_config.py

docs: $(VENV)/.dev  ## transcript and pictures of the README, the generated pages
	$(BIN)/python docs/make_docs.py

soak: $(VENV)/.dev  ## the long tests: hundreds of kills, hours of load
	$(PYTEST) -m soak

clean:  ## remove what these words made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* runs
