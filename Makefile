# The doors to the project. Arguments pass through ARGS: make demo ARGS="--seed 3"
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench reliability mutants lock docs clean

# Another Python for .venv: make test PYTHON=python3.12
export PYTHON

VENV := .venv/.installed
RUN := .venv/bin/python -m

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV) ## Run the demonstration: one whole trading day, no account needed
	@$(RUN) baseline_v1_live demo $(ARGS)

# Tests with real processes and sockets have the machine to themselves; the others share its cores.
test: $(VENV) ## Run the tests, or some: make test ARGS=tests/core
ifeq ($(strip $(ARGS)),)
	@$(RUN) pytest -n auto -m "not real_time"
	@$(RUN) pytest -m real_time
else
	@$(RUN) pytest $(ARGS)
endif

lint: $(VENV) ## Check style, formatting and types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

bench: $(VENV) ## Measure speed, as ratios (about five minutes; docs/benchmarks.md)
	@$(RUN) bench.place_ack $(ARGS)
	@$(RUN) bench.close_all $(ARGS)

reliability: $(VENV) ## Measure again what docs/reliability.md says (about three hours; ARGS=full: many more)
	@$(RUN) tools.measure_reliability $(ARGS)

mutants: $(VENV) ## Plant known bugs into copies, and look who catches each (about ten minutes)
	@$(RUN) tests.mutants.run $(ARGS)

lock: ## Rewrite requirements.txt from pyproject.toml (newer versions: ARGS=--upgrade)
	@tools/lock.sh $(ARGS)

docs: $(VENV) ## Rewrite the generated pages of docs (takes about two minutes)
	@$(RUN) tools.write_order_states
	@$(RUN) tools.write_exit_accuracy
	@$(RUN) tools.write_reliability

clean: ## Remove .venv, caches and build output; never data
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): requirements.txt tools/setup_venv.sh
	@tools/setup_venv.sh
