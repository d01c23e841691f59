# The runtime's environment: torch and what the containers hold, apart from the control plane's.

.PHONY: dev-runtime
dev-runtime: dev ## Make .venv-runtime for work on training and serving code
	@$(BIN)/python -m hostler.local.runtimevenv

.PHONY: lint-runtime
lint-runtime: dev-runtime ## mypy on training and serving code, against the libraries of .venv-runtime
	$(BIN)/mypy --config-file images/runtime/mypy.ini

.PHONY: lock-runtime
lock-runtime: dev ## Compile requirements/runtime*.in; torch is resolved from the wheel made here and left out
	@wheels=$$(mktemp -d) && trap 'rm -rf "$$wheels"' EXIT && \
	$(BIN)/python -m hostler.local.torchwheel --output "$$wheels" && \
	for name in runtime runtime-dev; do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --find-links "$$wheels" \
	    --no-emit-package torch --custom-compile-command "make lock-runtime" -o requirements/$$name.lock requirements/$$name.in || exit 1; \
	done

.PHONY: bench-packed-inference
bench-packed-inference: dev-runtime ## Throughput and p99 of an encoder on mixed lengths, packed against padded
	@OMP_NUM_THREADS=1 PYTHONPATH=operator:images/runtime .venv-runtime/bin/python benchmarks/packed_inference/bench.py

.PHONY: bench-preparation
bench-preparation: dev-runtime ## Seconds for preparing text, by size and number of processes
	@PYTHONPATH=operator:images/runtime .venv-runtime/bin/python benchmarks/preparation/bench.py

.PHONY: bench-examples
bench-examples: examples ## How long each example's job took; fails where one took more than 180 s
	@$(BIN)/python benchmarks/examples/check.py dist/examples.json

.PHONY: bench-packing
bench-packing: dev-runtime ## Real tokens per second of packed against padded training, interleaved
	PYTHONPATH=operator:images/runtime OMP_NUM_THREADS=1 .venv-runtime/bin/python benchmarks/packing/bench.py
