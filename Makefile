# make serve ROOT=some/directory   serve a directory as ZIPs on this machine
# make example-django ROOT=...     the same by an application: example-flask, example-fastapi, example-aiohttp
# make test                        install what the tests need, and run them
# make check                       formatting, lint, types, imports
# make docs                        build the documentation's pages into site/
# make bench, make soak            measurements; proofs that take long

PYTHON ?= python3
VENV ?= .venv
ROOT ?= .
PORT ?= 8080
# More than two processors can run, for most tests wait for something.
PROCESSES ?= 3

bin := $(VENV)/bin
pip := $(bin)/pip --disable-pip-version-check --quiet

.PHONY: serve test check format docs bench soak lock clean
.PHONY: example-aiohttp example-django example-fastapi example-flask

serve: $(VENV)/installed-server
	@$(bin)/bigzip serve --root "$(ROOT)" --port $(PORT)

example-aiohttp: $(VENV)/installed-aiohttp
	@ROOT="$(ROOT)" $(bin)/python examples/aiohttp/app.py $(PORT)

example-django: $(VENV)/installed-django
	@ROOT="$(ROOT)" $(bin)/python examples/django/app.py runserver --noreload $(PORT)

example-fastapi: $(VENV)/installed-server
	@ROOT="$(ROOT)" $(bin)/uvicorn --app-dir examples/fastapi --port $(PORT) app:app

example-flask: $(VENV)/installed-flask
	@ROOT="$(ROOT)" $(bin)/flask --app examples/flask/app.py run --port $(PORT)

test: $(VENV)/installed-check
	tests/install.sh
	$(bin)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(TESTS)

check: $(VENV)/installed-check
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy
	$(bin)/lint-imports

format: $(VENV)/installed-check
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

# The variable has Material leave out what it says of its successor.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict

# BENCH: names of sections and options, such as BENCH='tree-store --quick'; by default all, in an hour and a half.
bench: $(VENV)/installed-bench
	bench/install.sh
	$(bin)/python -m bench $(BENCH)

soak: $(VENV)/installed-check
	tests/install.sh
	BIGZIP_SOAK=1 $(bin)/python -m pytest --timeout=3600 -m soak

# The versions that everyone gets: what pip resolves today, written down.
lock:
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --editable '.[check,bench]'
	$(VENV)-lock/bin/pip freeze --exclude-editable > constraints.txt
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) build dist site

$(VENV)/installed-%: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(pip) install --constraint constraints.txt --editable '.[$*]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "bigzip needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "This Python cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
