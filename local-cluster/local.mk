# A cluster on this machine for the tests and the demo; see local-cluster/README.md.
.PHONY: cluster-up cluster-down cluster-status postgres-up

cluster-up: ## Start a Kubernetes cluster on this machine, or mend or adopt the one there is
	@local-cluster/cluster up

cluster-down: ## Stop it and leave nothing behind
	@local-cluster/cluster down

cluster-status: ## Which of its programs run
	@local-cluster/cluster status

postgres-up: cluster-up ## Two PostgreSQL instances with WAL archiving in that cluster
	@local-cluster/postgres-up
