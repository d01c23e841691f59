"""The accelerator exporter: a process on each node that gives all vendors' metrics one set of names.

It asks the vendors' exporters on its node, maps their series through the registry (``reading``), joins devices with
pods through the kubelet's PodResources API (``join``) and serves the result. It needs no access to the Kubernetes API.
"""
