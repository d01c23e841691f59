"""Asking hosts outside the pod, for models and data alike: proxies, certificates, what failures mean, and the protocol
of S3."""
