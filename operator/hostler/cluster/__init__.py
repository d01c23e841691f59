"""Everything that talks to the API server: client, store, queue, the one write path, Lease."""
