"""Objects that every native cluster starts with: the DNS Service, the default StorageClass, the nodes' role."""

from __future__ import annotations

from typing import Any

from hostler.local.naming import Names
from hostler.local.native.provisioner import PROVISIONER, STORAGE_CLASS

Json = dict[str, Any]


def dns_service(names: Names) -> Json:
    """CoreDNS runs beside the API server, so the Service has no selector; the slice below points there."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "clusterIP": str(names.dns_service_ip),
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    }


def dns_endpoints(names: Names) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "hostler-local",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [str(names.dns_server_ip)], "conditions": {"ready": True}}],
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ],
    }


def storage_class() -> Json:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def node_role() -> Json:
    """Let kubelets read what pods refer to by role as well.

    The node authorizer learns of a new pod a moment after the kubelet does. A kubelet that asks for the pod's claim
    within that moment is refused and comes back only some 15 s later.
    """
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "hostler-local:nodes"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}],
    }


def everything(names: Names) -> dict[str, Json]:
    """Each object by the path it is applied to."""
    return {
        "/api/v1/namespaces/kube-system/services/kube-dns": dns_service(names),
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns": dns_endpoints(names),
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/hostler-local:nodes": node_role(),
        f"/apis/storage.k8s.io/v1/storageclasses/{STORAGE_CLASS}": storage_class(),
    }
