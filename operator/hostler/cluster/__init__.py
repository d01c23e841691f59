"""Everything that talks to the API server: client, store, queue, the one write path, Lease."""

from hostler.cluster.ondemand import import_on_demand

# Before the first of our modules imports kopf or the client.
import_on_demand("kubernetes")
import_on_demand("kubernetes.aio")
