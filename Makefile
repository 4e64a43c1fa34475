# make demo: the main job on the embedded data set.  make test: every check and test.
PY := .venv/bin
export SMIDGEN_DATA ?= $(wildcard $(abspath ../shared/data))
export OMP_NUM_THREADS ?= 1

.PHONY: wheel setup demo reference test check format test-long system-tools kernels records

setup: .setup-done
.setup-done: pyproject.toml constraints.txt setup.py tools/setup.sh $(wildcard src/smidgen/kernels/csrc/*)
	tools/setup.sh
	@touch $@

demo: setup
	rm -rf runs/demo
	$(PY)/smidgen design --data digits --max-params 1000 --profile quick --out runs/demo

# The reference study: some hours on two cores; stop it at any time, it goes on.
reference: setup
	$(PY)/smidgen study reference-mnist --store runs/reference.db --jobs 2
	$(PY)/smidgen study reference-cifar10 --store runs/reference.db --jobs 2
	$(PY)/smidgen report runs/reference.db --out runs/reference.html

# The ladder of records (docs/records.md): hours to days on two cores; stop it at any time, it goes on.
records: setup
	nice $(PY)/smidgen study records-mnist --store runs/records.db --jobs 2
	nice $(PY)/smidgen study records-cifar10 --store runs/records.db --jobs 2
	$(PY)/smidgen report runs/records.db --out runs/records.html

format: setup
	$(PY)/ruff check --fix --quiet src tests bench
	$(PY)/ruff format --quiet src tests bench

check: setup
	$(PY)/ruff format --check --quiet src tests bench
	$(PY)/ruff check --quiet src tests bench
	$(PY)/basedpyright
	$(PY)/pytest -q -m "not slow and not gpu and not browser and not mcu"

test: setup check
	$(PY)/pytest -q -m "(browser or mcu) and not slow"

# The wheel, built and installed in a clean environment.
wheel: setup
	tools/wheel.sh

test-long: setup
	HYPOTHESIS_PROFILE=long $(PY)/pytest -q -m "not gpu"

# What browser and microcontroller tests need; Debian and its relatives.
system-tools:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  chromium clang lld gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
	  gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc \
	  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user >/dev/null
