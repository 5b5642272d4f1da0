# Needs only make and Python >= 3.11 (PYTHON=/path/to/python chooses one). Every target is one file in scripts/.
.PHONY: start dev test check build bench setup clean

start: setup
	.venv/bin/pywatt start

dev: setup
	.venv/bin/pywatt dev

test: setup
	scripts/test

check: setup
	scripts/check

build: setup
	scripts/build

bench: setup
	scripts/bench

setup:
	@scripts/setup

clean:
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
