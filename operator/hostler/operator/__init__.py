"""The operator process: wires the caches, the controllers, the Lease and the probes together."""
