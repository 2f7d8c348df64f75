# Every task of this project. `make help` lists them.

SHELL := /bin/bash
# Tools that the set-up built for this folder come first.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

# What the checks and tests are built with: the places where a test may kill the daemon exist only then.
SELECTION := --workspace --all-targets --features custodyd/failpoints

# Programs are started from here: `cargo run` of one package would choose features anew and build half of it again.
BUILT := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo bench test setup setup-demo fmt fmt-check lint layers deny monitoring unit doctest fuzz mutants clean-demo

help: ## List the tasks
	@echo "custodyd: make <task>"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup-demo ## Install what is missing, then show the main job on real nodes and a real token (DEMO_EXIT=1 ends by itself, DEMO_HSM=containers lets HSMs fail)
	cargo build --package custodyd --package custodyd-client --package coldsign --package custodyd-testbed --bins
	$(BUILT)/debug/demo

test: setup fmt-check layers deny monitoring lint unit doctest ## Install what is missing, then check and test everything on the real parts

bench: setup-demo ## Measure, print a table and write target/bench.json (ONLY=prove or another part shows that alone, AGAINST=custodyd of another build compares intake with it)
	cargo build --release --package custodyd --package custodyd-client --package custodyd-testbed --bins
	cargo build --release --package custodyd-policy --example verdict_cost
	$(BUILT)/release/bench $(if $(AGAINST),--against $(AGAINST),$(if $(ONLY),--only $(ONLY)))

setup: ## Install what the tests run against (nothing, when all is there)
	@scripts/setup test

setup-demo: ## Install what the demo and the benchmarks run against
	@scripts/setup demo

fmt: ## Format the sources
	cargo fmt --all

fmt-check: ## Refuse sources that are not formatted
	cargo fmt --all --check

lint: ## Clippy, every warning an error; and whether the fuzz targets build, which are a workspace of their own
	cargo clippy --locked $(SELECTION) -- --deny warnings
	cargo check --locked --manifest-path fuzz/Cargo.toml

layers: ## Check who depends on what, and where the outside world is named
	@scripts/check-layers

monitoring: ## Check the alerting rules with Prometheus' own tool
	@scripts/check-monitoring

deny: ## Check licences, bans and sources of dependencies; advisories when a database is here
	@scripts/check-dependencies

unit: ## Unit, property and end-to-end tests (needs the set-up)
	@without=$$(scripts/containers selection) && set -x && cargo nextest run --locked $(SELECTION) $$without

doctest: ## The examples in the documentation
	cargo test --locked --workspace --features custodyd/failpoints --doc --quiet

fuzz: ## Fuzz each target of fuzz/ for FUZZ_S seconds (60); needs cargo-fuzz
	@scripts/fuzz $(or $(FUZZ_S),60)

mutants: ## Try every mutant of crates/policy (hours; docs/MUTANTS.md); needs cargo-mutants. MUTANTS="--file '*/hours.rs'" tries some
	CARGO_PROFILE_DEV_DEBUG=0 PROPTEST_CASES=48 nice cargo mutants --package custodyd-policy --output target $(MUTANTS)

clean-demo: ## Remove what a demo left behind
	rm -rf .demo
