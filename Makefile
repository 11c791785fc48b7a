# Haihe 海河: the front door. `make` alone lists what there is.
# Everything lives in .venv; the locks in requirements/ carry versions and hashes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SHELL  := /bin/sh

.PHONY: help install system demo test check format bench docs lock clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

install: system $(VENV)/.installed ## .venv with everything, from the lock

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Haihe needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# A real MQTT broker and venv are needed; Chromium, PostgreSQL and InfluxDB only by tests that say so when one is missing.
system:
	@missing=""; \
	command -v mosquitto >/dev/null || missing="$$missing mosquitto"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then \
	    echo "installing:$$missing"; \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing; \
	  else \
	    echo "These packages are needed:$$missing"; \
	    echo "Install them with:  sudo apt-get install -y$$missing"; \
	    echo "(Debian starts mosquitto as a service on port 1883; Haihe runs its own beside it.)"; \
	    exit 2; \
	  fi; \
	fi

demo: install ## the whole way on simulated instruments: storm, outage, recovery, alarm, balance
	$(BIN)/haihe-sim demo $(DEMO)

# Most tests wait for real time to pass, so several files at once cost little more than one.
WORKERS ?= 4

test: install ## all promises, on real parts
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(TESTS)

check: install ## format, lint, types, architecture, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy bench/*.py
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

format: install ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## every benchmark, short
	for program in bus dead_unit edge ingest soak station wire; do $(BIN)/python bench/$$program.py --quick || exit 1; done

docs: install ## write the generated reference pages again
	$(BIN)/python docs/generate.py

lock: install ## resolve the dependencies anew (needs uv)
	for extra in edge cloud dev; do \
	  uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --extra $$extra pyproject.toml -o requirements/$$extra.txt || exit 1; \
	done
	echo hatchling | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header - -o requirements/build.txt

clean: ## remove what make made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
