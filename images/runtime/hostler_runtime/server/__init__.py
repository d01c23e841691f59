"""The HTTP server of every family: routes, queue, batching, metrics, readiness and graceful shutdown.

Reading order: ``process`` (life of a replica), ``app`` and ``routes`` (paths), ``desk`` (the way of a request),
``engine`` (the thread that owns the model) with its two kinds of work, ``stepping`` and ``batching``, and ``line`` (the
queue).
"""
