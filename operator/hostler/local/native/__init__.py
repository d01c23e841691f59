"""The native provider: a whole Kubernetes out of host processes inside one network namespace."""
