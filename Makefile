# Needletail: `make run` starts a server to try, `make test` runs every test. Both install what is missing (apt, as root).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SWIFT ?= swift
# One configuration for the server, the benchmarks and the tests: what is tested is what runs, and it is built once.
BUILD := $(SWIFT) build -c release
BIN := .build/release
VENV := .venv/bin

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## start a server with defaults on this machine and print the URL to open; Ctrl-C stops it
	@exec $(BIN)/needletail --dev $(ARGS)

build: setup bpf ## build the server, the operator CLI and the benchmarks
	@$(BUILD)

install: ## install what was built under PREFIX (/usr/local), for packages inside DESTDIR
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install

bpf: ## compile the eBPF programs
	@$(MAKE) --no-print-directory -C bpf

test: setup-test bpf ## run every test: unit, kernel tables, fuzzing, namespaces, browsers
	@$(BUILD) --build-tests
	@scripts/test

bench: setup-bench build ## run the benchmarks, each against its reference in the same run
	@scripts/bench

check: setup-check ## format, lint and layers; quick, before every commit
	@scripts/check

format: setup-check ## format every source file
	@$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests
	@clang-format-14 -i bpf/*.c bpf/*.h bpf/abi/*.h

setup:
	@scripts/setup build

setup-bench:
	@scripts/setup build bench

setup-check:
	@scripts/setup check

setup-test:
	@scripts/setup build test

clean: ## remove everything built
	rm -rf .build .venv bpf/build

.PHONY: help run build install bpf test bench check format setup setup-bench setup-check setup-test clean
