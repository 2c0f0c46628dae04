# Thin names for the project's commands; what they do is in tools/, qemu.sh and Cargo's own files.
.DEFAULT_GOAL := help
.PHONY: help setup packages image host-binaries release-binaries guest-binaries foreign-binaries test-kernel programs test-images run checked-run run-tests-kernel linux checked-linux test bench checked-bench compare ipcprof report conformance fuzz reference debug checked-debug check clean
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

KERNEL_TARGET := aarch64-unknown-none-softfloat
GUEST_TARGET := aarch64-unknown-linux-musl
BUILD := $(or $(CARGO_TARGET_DIR),target)
KERNEL_ELF := $(BUILD)/$(KERNEL_TARGET)/release/postern
PROGRAMS := init sh coreutils conformance
OUT := target/postern

# For the guest; also accepted in the environment.
export SMP MEM TIMEOUT
# tools/setup has installed what is needed, or built what rustup cannot download: no cargo should try again.
export RUSTUP_AUTO_INSTALL := 0
# More programs or files in the initramfs, as options of `image initramfs`.
EXTRA ?=
BENCH ?= ipcbench

# Quoted for the shell, with every $ as the user typed it.
quoted = '$(subst ','\'',$(value $(1)))'

help: ## Show this list
	@printf 'Postern: make TARGET\n\n'
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13
	@printf '\nrun, linux, bench and debug take SMP=1..8, MEM=512M, TIMEOUT=seconds.\n'
	@printf 'image and what needs it take EXTRA="--file /bin/mine=path/to/static/program".\n'

# It asks rustc, and may have cargo build a standard library: with +, make lets them share its number of jobs, as below.
setup: ## Install QEMU and both targets' standard library (once; quick when done)
	+@tools/setup

packages: setup ## Fetch what the tests take from Debian: Linux, busybox and a C compiler for arm64 (once; quick when done)
	@tools/test-packages

# A kernel is linked by one CPU: it is begun first, and the others compile the rest meanwhile.
TOGETHER = --jobs=$(shell nproc)
BINARIES := release-binaries guest-binaries host-binaries

image: setup ## Build target/postern/Image and target/postern/initramfs.cpio
	@$(MAKE) $(if $(wildcard $(KERNEL_ELF)),,$(TOGETHER)) $(BINARIES)
	@cargo run --quiet --bin image -- kernel '$(KERNEL_ELF)' $(OUT)/Image
	@tools/make-initramfs $(OUT)/initramfs.cpio '$(BUILD)/$(GUEST_TARGET)' $(EXTRA)

# By --bin, and not by --package, here and below: then what several of the workspace's programs need has the features that all
# of them want, as in `cargo test`, and is not built again with fewer.
host-binaries:
	+@cargo build --bin image --bin coreutils
	+@cargo build --quiet --package instruction-counter

release-binaries:
	+@cargo build --release --package postern --target $(KERNEL_TARGET)
	+@cargo build --release --package ipcbench --target $(GUEST_TARGET)

guest-binaries:
	+@cargo build --profile programs $(PROGRAMS:%=--bin %) --target $(GUEST_TARGET)

foreign-binaries: guest-binaries
	+@cargo build --profile programs --target $(GUEST_TARGET) --bin tokio-tour

# After what is built in the same folder, for which cargo would wait.
test-kernel: host-binaries
	+@cargo test --no-run --package postern --target $(KERNEL_TARGET)

programs: image packages foreign-binaries ## Build target/postern/programs.cpio, of programs that were not written for Postern
	@tools/make-programs $(OUT)/programs.cpio '$(BUILD)/$(GUEST_TARGET)/programs'

# What the tests boot.
test-images: setup
	@$(MAKE) $(TOGETHER) $(BINARIES) packages foreign-binaries test-kernel
	@$(MAKE) programs

# Before anything is built: a slip should not cost minutes.
checked-run:
	@tools/run --check -- $(call quoted,CMD)

checked-linux:
	@tools/run --check --linux -- $(call quoted,CMD)

checked-debug:
	@tools/run --check --gdb -- $(call quoted,CMD)

checked-bench:
	@tools/run --check --bench -- $(call quoted,BENCH)

run: checked-run image ## Boot to a shell (^A x ends QEMU), or run CMD="ipcbench --quick" and power off
	@tools/run -- $(call quoted,CMD)

# As run with CMD, but on the kernel that has the in-kernel tests, with debug assertions and the order of locks checked.
run-tests-kernel: checked-run image
	@POSTERN_INITRAMFS='$(OUT)/initramfs.cpio' POSTERN_SMP='$(or $(SMP),4)' \
		cargo test --package postern --target $(KERNEL_TARGET) -- quiet TERM=dumb -- -c \"'$(value CMD)'\"

linux: checked-linux image packages ## As run, but on Debian's Linux in the place of Postern
	@tools/run --linux -- $(call quoted,CMD)

test: setup ## Run every test: host, in-kernel and conformance in the guest, with 1 and 4 CPUs
	cargo test

bench: checked-bench image ## Run the benchmarks counted in instructions: the same output every time (BENCH=command)
	@tools/run --bench -- $(call quoted,BENCH)

compare: image packages ## Count every benchmark on Linux and on Postern, side by side (FILTER=names, ROUNDS=3 timed as well)
	@cargo run --quiet --bin lab -- compare $(if $(FILTER),--filter '$(FILTER)') --rounds $(or $(ROUNDS),3)

ipcprof: image $(if $(filter linux,$(SYSTEM)),packages) ## Count a benchmark's instructions by function: BENCH=pipe/latency/1 (TOP=40, BY=inlined, SYSTEM=linux; more in docs/measuring.md)
	@cargo run --quiet --package lab -- profile $(call quoted,BENCH) $(if $(SYSTEM),--system '$(SYSTEM)') \
		$(if $(CALLERS),--callers '$(CALLERS)',--by $(or $(BY),function) $(if $(WITHIN),--within '$(WITHIN)')) \
		$(if $(JSON),--json >'$(JSON)',$(if $(CALLERS),,--top $(or $(TOP),40)) $(if $(AGAINST),--against '$(AGAINST)'))

conformance: image packages ## Run every conformance test on Linux and on Postern; fail where they differ without a known reason (ONLY=part of names)
	@cargo run --quiet --package lab -- conformance $(if $(ONLY),--only '$(ONLY)')

# Where FIGURES names files, nothing is measured or built for it.
report: $(if $(FIGURES),setup,image packages) ## Draw what all of it costs as target/postern/report.html; measures what is missing (FIGURES=files)
	@mkdir -p $(OUT)
ifndef FIGURES
	@cargo run --quiet --package lab -- survey $(OUT)/survey.jsonl $(if $(QUICK),--quick)
endif
	@cargo run --quiet --package lab -- report $(or $(FIGURES),$(OUT)/survey.jsonl) --out $(OUT)/report.html

fuzz: image packages ## Play random programs on Linux and on Postern; show what does not do the same (SEED=1, FIRST=0, COUNT=10000)
	@cargo run --quiet --package lab -- fuzz --seed $(or $(SEED),1) --first $(or $(FIRST),0) --programs $(or $(COUNT),10000)

reference: image ## Take the figures anew that no change may exceed by more than 2 % (docs/results/reference.jsonl)
	@cargo run --quiet --bin lab -- measure postern --quick --out docs/results/reference.jsonl >/dev/null

debug: checked-debug image ## As run, but wait for gdb; prints the line that attaches it, with symbols
	@command -v gdb-multiarch >/dev/null || echo "debug: no gdb-multiarch here; as root: apt-get install gdb-multiarch" >&2
	@echo "In another terminal: gdb-multiarch -ex 'target remote localhost:1234' '$$(realpath '$(KERNEL_ELF)')'"
	@tools/run --gdb -- $(call quoted,CMD)

check: setup ## Check formatting, lints, the direction of imports and the places of unsafe code
	cargo fmt --all --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --package postern --target $(KERNEL_TARGET) -- -D warnings
	cargo clippy --quiet --package postern --target $(KERNEL_TARGET) --tests -- -D warnings
	cargo run --quiet --bin check
	if command -v shellcheck >/dev/null; then shellcheck qemu.sh .ci/run $$(grep -slx '#!/usr/bin/env bash' tools/*); fi

clean: ## Remove everything built
	cargo clean
