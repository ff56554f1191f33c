# Every target by `make help`. Works from a clean clone: Python >= 3.11, git and make are enough.

PYTHON ?= python3
VENV = .venv
# Without the local part of a version (+cpu), and without what a CUDA build of torch brings along.
FREEZE = freeze --all --exclude pip | sed 's/+[^ ]*$$//' | grep -Ev '^(cuda|nvidia|triton)'

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

bench: $(VENV)/runtime-installed  ## train and compare tocr and gru4rec on the embedded MovieLens log; the table goes to stdout
	@$(VENV)/bin/python run_bench.py --models tocr,gru4rec

test: $(VENV)/dev-installed  ## lint, format check, type check and tests
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest

parity: $(VENV)/runtime-installed  ## hold gru4rec against its authors' figures on the logs in BENCH_DATA_DIR and write docs/parity.md; hours
	@$(VENV)/bin/python experiments/published/parity.py

ui: $(VENV)/runtime-installed  ## browse the runs at http://127.0.0.1:5000
	@$(VENV)/bin/mlflow ui --host 127.0.0.1 --workers 1

lock: $(VENV)/bin/python  ## renew both lock files from pyproject.toml, in a throw-away venv
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$(VENV)/bin/python -m venv "$$work/venv"; pip="$$work/venv/bin/pip"; \
	$(VENV)/bin/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *project["optional-dependencies"]["fast"], sep="\n", file=open(sys.argv[1] + "/runtime.in", "w")); print(*project["optional-dependencies"]["dev"], sep="\n", file=open(sys.argv[1] + "/dev.in", "w"))' "$$work"; \
	"$$pip" install -r "$$work/runtime.in" >&2; \
	"$$pip" $(FREEZE) > "$$work/runtime.lock"; \
	"$$pip" install -c "$$work/runtime.lock" -r "$$work/dev.in" >&2; \
	"$$pip" $(FREEZE) | grep -vxFf "$$work/runtime.lock" > "$$work/dev.lock"; \
	{ grep '^#' requirements.lock; cat "$$work/runtime.lock"; } > "$$work/requirements.lock"; \
	{ grep -E '^(#|-r)' requirements-dev.lock; cat "$$work/dev.lock"; } > "$$work/requirements-dev.lock"; \
	mv "$$work/requirements.lock" "$$work/requirements-dev.lock" .

clean:  ## remove the venv and all caches of tools; results and MLflow's runs stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are newer than the locks once these are installed, so pip runs again only after a lock
# has changed. What pip says goes to stderr: stdout of `make bench` is the table alone.
$(VENV)/runtime-installed: requirements.lock $(VENV)/bin/python
	@echo "installing requirements.lock into $(VENV)" >&2
	@$(VENV)/bin/python -m pip install -r requirements.lock >&2
	@touch $@

$(VENV)/dev-installed: requirements-dev.lock $(VENV)/runtime-installed
	@echo "installing requirements-dev.lock into $(VENV)" >&2
	@$(VENV)/bin/python -m pip install -r requirements-dev.lock >&2
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; install one and name it, as in: make bench PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >&2 || { rm -rf $(VENV); exit 1; }

.PHONY: help bench test parity ui lock clean
