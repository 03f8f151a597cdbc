# Everything that people and CI run. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo drill faults test matrix check generate operator-up bench install-plugin

CHART := charts/database-migration-operator

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

include local-cluster/local.mk

demo: ## The main job on a real cluster: a release, a broken one that is undone, its correction
	@local-cluster/demo

drill: ## Four stories and twenty incidents on a real cluster, each ended by the commands that the tool prints
	@tests/run drill

faults: ## Every fault of docs/failure-modes.md, let happen for real: a row for each
	@tests/run faults

test: ## All tests, of the faults a few; sets up what it needs
	@tests/run all

matrix: ## The tests against PostgreSQL, on real servers of every version that is supported
	@tests/matrix

check: ## The fast subset: format, clippy, unit, property and golden tests, no cluster
	@tests/run check

generate: ## Writes the generated files: the CRDs, the chart's copies of them, docs/api.md
	@mkdir -p crds $(CHART)/files/crds
	@cargo run --quiet --locked -- crds --directory crds --reference docs/api.md
	@cp crds/*.yaml $(CHART)/files/crds/

operator-up: postgres-up ## Builds the operator and installs or upgrades it in the cluster
	@local-cluster/operator-up

PLUGIN_BIN := $(CURDIR)/.local/bin

install-plugin: ## Builds `kubectl dbm` and puts it in .local/bin, and in PLUGIN_DIR where that is set
	@cargo build --quiet --locked --release --bin kubectl-dbm
	@for dir in "$(PLUGIN_BIN)" $(if $(PLUGIN_DIR),"$(patsubst ~/%,$(HOME)/%,$(PLUGIN_DIR))"); do \
	  mkdir -p "$$dir" && install -m 0755 target/release/kubectl-dbm "$$dir/kubectl-dbm" && \
	  ln -sf kubectl-dbm "$$dir/dbm" && echo "$$dir/kubectl-dbm, also as dbm" || exit 1; \
	done; \
	case ":$$PATH:" in *":$$dir:"*) ;; *) \
	  printf 'kubectl finds it once that is in the PATH:\n  export PATH="%s:$$PATH"\n' "$$dir" ;; esac

bench: operator-up ## Measures what a user waits for, and what a thousand resources cost; asserts nothing
	@mkdir -p .local/images && tests/images/build .local/images small >/dev/null && examples/shop/build-images .local/images 1.2.0 >/dev/null
	@local-cluster/load .local/images/dbm-test-small.tar .local/images/shop-migrations-1.2.0.tar
	@cargo build --quiet --locked --example bench-stand-in
	@eval "$$(local-cluster/env)" && tests/bench/run $(BENCH_ROUNDS)
