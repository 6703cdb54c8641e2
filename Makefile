# SPDX-License-Identifier: Apache-2.0
# Thin: each target sets the machine up, then calls Meson or a script of tools/.

BUILD  := build
MESON  := meson
NINJA  := ninja
CONFIG := --wrap-mode=nodownload

# Used by `make bench ONLY=tls`, `make fuzz SECONDS_PER_TARGET=60`, `make soak SECONDS=600`.
ONLY               ?=
SECONDS_PER_TARGET ?= 60
SECONDS            ?= 600
PREFIX             ?= /usr/local
DESTDIR            ?=

.PHONY: all demo check bench fuzz soak install format clean help
all: release

help:
	@echo 'make demo      set up, build, and show secure connections on loopback'
	@echo 'make check     set up, build, and run every test'
	@echo 'make bench     side by side with other implementations [ONLY=tls]'
	@echo 'make fuzz      every fuzz target for a while [SECONDS_PER_TARGET=60]'
	@echo 'make soak      the simulator on new seeds for a while [SECONDS=600]'
	@echo 'make install   [PREFIX=/usr/local] [DESTDIR=]'
	@echo 'make format    clang-format over the tree'

# ---- builds ---------------------------------------------------------------------------------

.PHONY: release checked sanitized fuzzers
release:
	@tools/setup.sh build
	@test -f $(BUILD)/release/build.ninja || \
	  $(MESON) setup $(BUILD)/release $(CONFIG) --buildtype=release -Dprefix=$(PREFIX) -Dtests=false
	@$(NINJA) -C $(BUILD)/release

# Debug information, assertions and every test.
# Configured anew when the folder of newer peers has come since: one of them is built with its headers.
checked:
	@test -f $(BUILD)/check/build.ninja || $(MESON) setup $(BUILD)/check $(CONFIG)
	@! test $(BUILD)/newer/stamp -nt $(BUILD)/check/build.ninja || $(MESON) setup --reconfigure $(BUILD)/check
	@$(NINJA) -C $(BUILD)/check

sanitized:
	@test -f $(BUILD)/asan/build.ninja || $(MESON) setup $(BUILD)/asan $(CONFIG) \
	  -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
	@$(NINJA) -C $(BUILD)/asan

fuzzers:
	@tools/setup.sh build test fuzz
	@test -f $(BUILD)/fuzz/build.ninja || CC=clang $(MESON) setup $(BUILD)/fuzz $(CONFIG) \
	  -Dfuzz=true -Db_lundef=false -Doptimization=2 -Dwerror=false
	@$(NINJA) -C $(BUILD)/fuzz

# ---- what there is to run ----------------------------------------------------------------------

demo: setup-demo release
	@tools/demo/demo.sh $(BUILD)/release

check: setup-check checked sanitized
	@/usr/bin/python3 tools/check.py

bench: setup-bench
	@test -f $(BUILD)/bench-release/build.ninja || \
	  $(MESON) setup $(BUILD)/bench-release $(CONFIG) --buildtype=release -Dtests=false -Dbench=true
	@$(NINJA) -C $(BUILD)/bench-release
	@bench/run.sh $(BUILD)/bench-release $(BUILD)/bench $(ONLY)

fuzz: fuzzers
	@tools/fuzz.sh $(BUILD)/fuzz $(SECONDS_PER_TARGET)

soak: setup-check checked
	@tools/soak.sh $(BUILD)/check $(SECONDS)

install: release
	@DESTDIR=$(DESTDIR) $(MESON) install -C $(BUILD)/release --no-rebuild

.PHONY: setup-demo setup-check setup-bench
setup-demo:
	@tools/setup.sh build demo
setup-check:
	@tools/setup.sh build demo test
	@tools/newer.sh
setup-bench:
	@tools/setup.sh build bench

format:
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD)
