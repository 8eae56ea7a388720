# The front door. `make up ARGS="--port 8400"` passes options on; `make help` lists everything.

SHELL := /bin/sh
PYTHON := .venv/bin/python
ARGS ?=
# Services start in half the time when their modules are compiled once, not at each start.
export PYTHONDONTWRITEBYTECODE :=
# .tools/bin holds Node.js only where the machine has none that will do.
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install up down status test test-long test-deploy check format unit schema bench demo
.PHONY: generate image clean

help: ## this list
	@echo 'usage: make <target> [ARGS="..."]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

up: ## start everything in the foreground; ready when it says so; Ctrl-C stops it
	@bin/bootstrap up
	@exec bin/scriptorium up $(ARGS)

down: ## stop what `make up` started in another terminal
	@exec bin/scriptorium down $(ARGS)

status: ## what runs, and how it is doing
	@exec bin/scriptorium status $(ARGS)

test: check ## all checks, then all tests: three folders at a time, then those that must be alone
	$(PYTHON) -m pytest -n 3 --no-loadscope-reorder -m "not long and not alone"
	$(PYTHON) -m pytest -m "alone and not long"

test-long: install ## the long forms of tests, hours of them: make test-long ARGS="tests/clients/editors"
	$(PYTHON) -m pytest -m long $(ARGS)

check: install ## format, lint, types, imports
	ruff format --check .
	ruff check .
	pyright
	lint-imports

format: install ## rewrite the code as `check` wants it
	ruff format .
	ruff check --fix .

unit: install ## the tests alone: make unit ARGS="tests/libs -k ports"
	@$(PYTHON) -m pytest $(ARGS)

schema: install ## write services/*/schema.sql, which show what the migrations lead to
	@$(PYTHON) -m tools.schema

bench: install ## measure, and compare with peers
	@$(PYTHON) -m tests.bench $(ARGS)

demo: install ## a guided tour of a running system
	@exec bin/scriptorium demo $(ARGS)

image: ## images of the services, built by podman without a registry: make image ARGS=services
	@deploy/image/build $(ARGS)

test-deploy: install ## the image and Compose in a real engine: make image, then this
	@deploy/tools
	@tests/deployment/images/build
	$(PYTHON) -m pytest -m "long or not long" tests/deployment $(ARGS)

generate: install ## write what is made from others in deploy: boards, rules, the rendered manifests
	@$(PYTHON) -m deploy.generate
	@kubectl kustomize deploy/kubernetes/base > deploy/kubernetes/install.yaml

install: ## uv, Python, packages, Node.js: whatever is missing, into .venv and .tools
	@bin/bootstrap test

clean: ## remove what can be made again; your data in .scriptorium stays
	rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
