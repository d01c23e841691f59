# Benchmarks of the control plane: each fails where a demand is missed. Method and figures: docs/benchmarks/.

.PHONY: bench-reconcile
bench-reconcile: dev ## Jobs to pods, speed and cost: Hostler beside plain Jobs and Kubeflow Trainer, in one run
	$(BIN)/python benchmarks/reconcile/bench.py $(ARGS)

.PHONY: bench-scale
bench-scale: dev ## A full pool of 1,000 nodes with 2,000 jobs in line: idle cost, next start, memory, restart
	$(BIN)/python benchmarks/reconcile/scale.py $(ARGS)

.PHONY: bench-storms
bench-storms: dev ## What goes wrong at size: a pool taken away, thousands deleted at once, Events, watches that break
	$(BIN)/python benchmarks/reconcile/storms.py $(ARGS)

.PHONY: bench-planner
bench-planner: dev ## Waiting times, use and pass times of the planner on a trace (ARGS="--trace FILE"), in virtual time
	$(BIN)/python benchmarks/planner/trace_bench.py $(ARGS)

.PHONY: bench-queue
bench-queue: dev ## The queue's order beside FIFO, EASY, SJF and LAS on the traces below TRACES=DIR; writes docs/benchmarks/queue.md
	$(BIN)/python benchmarks/planner/queue_bench.py $(TRACES) $(if $(TRACES),$(if $(ARGS),,--page docs/benchmarks/queue.md)) $(ARGS)

GANGS ?= 2000
SEED ?= 0
.PHONY: bench-gangs
bench-gangs: dev ## Thousands of gangs before the real scheduler, with all that gets in their way (GANGS=, SEED=)
	HOSTLER_TEST_GANGS=$(GANGS) HOSTLER_TEST_SEED=$(SEED) $(PYTEST) -s tests/apiserver/test_gangs.py

.PHONY: fit-priors
fit-priors: dev ## Write planning/estimate/priors.yaml anew from the published runs below TRACES=DIR
	$(BIN)/python benchmarks/estimate/fit.py $(TRACES)

.PHONY: bench-estimate
bench-estimate: dev ## Estimates of published runs that the priors have not seen, below TRACES=DIR; writes docs/benchmarks/estimate.md
	$(BIN)/python benchmarks/estimate/bars.py $(TRACES) --page docs/benchmarks/estimate.md $(ARGS)

.PHONY: bench-estimate-memory
bench-estimate-memory: dev ## Estimates of device memory beside the published peaks below TRACES=DIR (ARGS=--terms for the sums)
	$(BIN)/python benchmarks/estimate/ladder.py $(TRACES) $(ARGS)
