# SoleFlip's commands. Needs Python 3.11 or newer with venv; everything else comes into .venv.

PYTHON ?= python3
BIN := .venv/bin
# Tests share the cores by file; PARALLEL= runs them one by one.
PARALLEL ?= -n logical --maxprocesses 4 --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test check bench demo clean
.DELETE_ON_ERROR:

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: .venv/.run ## Run the whole cockpit until Ctrl-C (PORT=8000)
	@$(BIN)/python app.py

test: .venv/.test ## Run all tests, browser included (ARGS="-k listing" for some)
	@browser="$$(.ci/browser)" && SOLEFLIP_CHROMIUM="$$browser" $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: .venv/.test ## Check style, types, floors, templates and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates
	@$(BIN)/python .ci/audit

bench: .venv/.run ## Run the benchmarks (ARGS="--full" at full size)
	@$(BIN)/python -m bench $(ARGS)

demo: .venv/.run ## Do the whole job once without a browser (FEED=file, DEMO_JSON=file)
	@$(BIN)/python -m soleflip.demo $(if $(FEED),--feed "$(FEED)") $(if $(DEMO_JSON),--json "$(DEMO_JSON)")

clean: ## Remove what was installed and cached; data in var/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "SoleFlip needs Python 3.11 or newer. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing into .venv (once) ..."
	@$(PYTHON) -m venv .venv || \
	  { echo "No virtual environment could be made; on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/.test: requirements-dev.txt .venv/.run
	@echo "Installing what tests need into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
