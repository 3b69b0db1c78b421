# make demo, make test and the rest work on a fresh clone: they build .venv with
# the first Python >= 3.12 they find, or with the one named by PYTHON=.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
EXTRAS := dev,examples

PYTHON ?=
# One more than there are cores, as tests wait for processes and timers now and then; four are as many as are of use.
CORES = $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
WORKERS ?= $(shell echo $$(( $(CORES) < 3 ? $(CORES) + 1 : 4 )))
ARGS =

# Prints the path of a suitable Python, or says on stderr what there is instead.
# A name on PATH proves nothing (it may be a version manager's shim for a version
# that is not selected), so every candidate is judged by running it.
define FIND_PYTHON
found=""
probe='
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 12):
    print(version)
else:
    try:
        import ensurepip, venv
        print("suitable")
    except ImportError:
        print(version + ", but without the venv module")
'
newline='
'
try() {
    verdict=$$("$$1" -c "$$probe" 2>/dev/null </dev/null) || verdict="does not run"
    if [ "$$verdict" = suitable ]; then echo "$$1"; exit 0; fi
    found="$$found$$newline  $$1 ($$verdict)"
}
if [ -n "$$WANTED_PYTHON" ]; then
    try "$$WANTED_PYTHON"
else
    set -f; IFS=:
    for name in python3.13 python3.12 python3.14 python3 python; do
        for folder in $$PATH; do
            if [ -f "$$folder/$$name" ] && [ -x "$$folder/$$name" ]; then try "$$folder/$$name"; fi
        done
    done
    unset IFS; set +f
    for series in 3.13 3.12 3.14; do
        for path in \
            "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$series*/bin/python \
            "$$HOME"/.local/share/uv/python/cpython-$$series*/bin/python3 \
            /opt/homebrew/bin/python$$series /usr/local/bin/python$$series
        do
            if [ -x "$$path" ]; then try "$$path"; fi
        done
    done
fi
exec >&2
echo "pymc_symplectic needs Python 3.12 or newer; found:$${found:- none}"
echo "Install one (https://www.python.org/downloads/) or pass PYTHON=/path/to/python"
exit 1
endef
export FIND_PYTHON

.PHONY: help
help:
	@echo "make demo      run examples/regression.py"
	@echo "make test      run the tests; ARGS=\"-k leapfrog\" goes to pytest"
	@echo "make docs      build the documentation, in docs/_build/html, and run the examples in it"
	@echo "make lint      ruff check, ruff format --check, mypy"
	@echo "make format    ruff format, and ruff's safe fixes"
	@echo "make install   make or refresh $(VENV), which the others do by themselves"
	@echo "make clean     remove caches and build products, not $(VENV)"
	@echo
	@echo "PYTHON=/path/to/python   the Python (3.12 or newer) to make $(VENV) with"
	@echo "WORKERS=n                n test processes, of which each may take 2 GiB (now $(WORKERS))"

# A stamp beside an interpreter that is gone is of no use.
ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
	    python=$$(WANTED_PYTHON="$(PYTHON)" sh -c "$$FIND_PYTHON") || exit 1; \
	    clear=; if [ -f $(VENV)/pyvenv.cfg ]; then clear=--clear; fi; \
	    echo "Making $(VENV) with $$python"; \
	    "$$python" -m venv $$clear $(VENV) || exit 1; \
	fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[$(EXTRAS)]"
	@touch $@

.PHONY: install
install: $(STAMP)

.PHONY: demo
demo: $(STAMP)
	$(BIN)/python examples/regression.py $(ARGS)

# A file's tests stay in one process, so that they share what they compile; and files in their order, in which many short
# ones are last, not few long tests, for which one process would work while the others have nothing to do.
.PHONY: test
test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Tools that only the documentation needs.
$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[docs]"
	@touch $@

.PHONY: docs
# The two longer examples, which the gallery does not run, are run before it, and their checks have to pass.
docs: $(DOCS_STAMP)
	$(BIN)/python examples/regression.py
	$(BIN)/python examples/integrators.py
	$(BIN)/python -m sphinx -W --keep-going docs docs/_build/html $(ARGS)

.PHONY: lint
lint: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

.PHONY: format
format: $(STAMP)
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

.PHONY: clean
clean:
	rm -rf build dist docs/_build docs/api/generated docs/gallery .pytest_cache .mypy_cache .ruff_cache examples/output *.egg-info
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
