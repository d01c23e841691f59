"""Builders of Kubernetes manifests: dicts in, dicts out. No client, no clock, no environment."""
