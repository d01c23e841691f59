# Models that others trained, which come in packages of the Python index: never a part of the product, nor of `make test`.

.PHONY: showpieces
showpieces: dev dev-runtime ## SmolLM2, MiniLM and Whisper base from a hub into the cluster: served, asked, tuned (half an hour)
	$(PYTEST) tests/showpieces
