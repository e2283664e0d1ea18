PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTHONS ?= $(PYTHON)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test gpu-test check parity learning exports docs dist clean

demo: $(VENV)/.installed  ## train, test and report on real scanned digits
	rm -rf runs/demo
	$(BIN)/inceptionlab train --model "inception_net | small_stem(32) | norm(batch)" --data digits --out runs/demo
	@echo
	@echo "Open runs/demo/report.html, then try:"
	@echo "  $(BIN)/inceptionlab list"
	@echo "  $(BIN)/inceptionlab show inception_v3"
	@echo "  $(BIN)/inceptionlab draw googlenet.paper --node inception3a -o module.svg"
	@echo "  $(BIN)/inceptionlab train --model inception_net --data cifar10"

test: $(VENV)/.installed-dev  ## the whole suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup

gpu-test: $(VENV)/.installed-dev  ## what needs a CUDA device; skipped by make test where there is none
	$(BIN)/python -m pytest -m gpu

check: $(VENV)/.installed-dev  ## format, lint, types, import direction, sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_house.py

parity: $(VENV)/.installed-dev  ## compare logits with independent implementations, which are kept apart in .oracles
	test -d .oracles || $(BIN)/python -m pip install --quiet --no-deps --target .oracles -r tests/parity/requirements.txt
	PYTHONPATH=.oracles $(BIN)/python -m tests.parity

learning: $(VENV)/.installed-dev  ## every member trains two steps on CIFAR-10 images and its loss falls
	$(BIN)/python -m tests.learning

exports: $(VENV)/.installed-dev  ## every network exported to ONNX and OpenVINO, run there and compared
	$(BIN)/python -m tests.exports

docs: $(VENV)/.installed-docs  ## the documentation as a site in build/site; a link that leads nowhere is an error
	$(BIN)/python docs/build.py

dist: $(VENV)/.installed-dev  ## wheel and sdist in dist; the wheel alone works in bare environments, its types are known
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	tests/release/check $(PYTHONS)

clean:
	rm -rf $(VENV) build dist .oracles runs .pytest_cache .ruff_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("InceptionLab needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	$(PIP) -e '.[tf]' || echo "no tensorflow for this machine: the tests of its checkpoints are skipped"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@
