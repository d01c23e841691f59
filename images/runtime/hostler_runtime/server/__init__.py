"""The HTTP server of every family: routes, queue, batching, metrics, readiness and graceful shutdown.

Reading order: ``process`` (life of a replica), ``app`` (routes), ``completions`` (one request), ``engine`` (the
thread that owns the model).
"""
