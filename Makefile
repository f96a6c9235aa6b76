# Two commands: `make demo` and `make test`. Both set up .venv first, once.
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS ?= 2
PYTHON := .venv/bin/python

.PHONY: demo test lint slow mutate docs bench setup clean

setup:
	@bash scripts/setup.sh

demo: setup  ## train on the built-in digits, sample, and show the result
	@$(PYTHON) scripts/demo.py

test: setup  ## the default test suite
	@bash scripts/test.sh

slow: setup  ## long tests, and tests on the real data sets where GIBBSIAN_DATA is set
	@$(PYTHON) -m pytest -m 'slow or data'

lint: setup  ## style and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

mutate: setup  ## change single lines in a copy of the tree, and see that a test fails for each
	@$(PYTHON) -m scripts.mutate $(ARGS)

bench:  ## time chains beside other libraries, and make the page of it
	@bash benchmarks/setup.sh
	@benchmarks/.venv/bin/python -m benchmarks all --write docs/benchmarks.md

docs: setup  ## pages that are generated from the code
	@$(PYTHON) -m scripts.reference > docs/cli.md

clean:
	rm -rf .venv demo .mutate .pytest_cache .mypy_cache .ruff_cache
