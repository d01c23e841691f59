"""`up`, `down` and `status` of a native cluster, as steps that read from top to bottom."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostler
from hostler.local.errors import LocalClusterError
from hostler.local.kubeapi import ApiError, KubeApi, wait_for
from hostler.local.layout import exported
from hostler.local.naming import Names
from hostler.local.native import addons, cgroups, cleanup, controlplane, images, network, node, pki, preflight
from hostler.local.native.controlplane import Layout
from hostler.local.native.node import Node
from hostler.local.native.processes import Component, Launcher
from hostler.local.spec import ClusterSpec
from hostler.local.stages import Stages
from hostler.local.tools import Binaries, ensure_binaries, ensure_packages

_READY_SECONDS = 180
_SPEC_FILE = "spec.json"


class NativeCluster:
    """One cluster of host processes; every object of this class is made afresh from the cluster's name."""

    def __init__(self, names: Names) -> None:
        self.names = names

    # -- up ----------------------------------------------------------------------------------------------

    def up(self, spec: ClusterSpec, *, stages: Stages, control_plane_only: bool = False) -> None:
        """Bring the cluster up; a running one of the same description is kept, anything else is replaced."""
        with stages.stage("programs") as note:
            ensure_packages(note)
            binaries = ensure_binaries(note)
            preflight.check_kernel(note=note)
            preflight.raise_limits(note)
        if self._is_running(spec, control_plane_only=control_plane_only):
            return
        with stages.stage("removing leftovers"):
            cleanup.remove(self.names)
        network.check_free(self.names)
        with self._nothing_half_made():
            start = _Start(self.names, spec if not control_plane_only else None, binaries)
            with stages.stage("network and certificates"):
                start.prepare(spec, control_plane_only=control_plane_only)
            with stages.stage("control plane"):
                start.control_plane()
            if not control_plane_only:
                with stages.stage("nodes"):
                    start.nodes()
            # Whoever never had to wait has not looked yet.
            start.require_alive()
            self._publish(start.layout)

    def _publish(self, layout: Layout) -> None:
        """The kubeconfig appears last: where it is, the cluster works."""
        text = pki.kubeconfig(self.names, layout.pki, identity="admin", embed=True)
        partial = self.names.kubeconfig.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(text)
        partial.rename(self.names.kubeconfig)

    def _is_running(self, spec: ClusterSpec, *, control_plane_only: bool) -> bool:
        file = self.names.run / _SPEC_FILE
        if not self.names.kubeconfig.exists() or not file.exists():
            return False
        if file.read_text() != _fingerprint(spec, control_plane_only=control_plane_only):
            return False
        api = KubeApi(self.names.kubeconfig)
        wanted = [] if control_plane_only else [entry.name for entry in spec.nodes]
        return api.ready() and all(ready_nodes(api).get(name) for name in wanted)

    @contextmanager
    def _nothing_half_made(self) -> Iterator[None]:
        """Remove everything when `up` fails or is interrupted; the logs are kept beside for the reader."""
        try:
            yield
        except BaseException as error:
            kept = self.names.state / "failed"
            shutil.rmtree(kept, ignore_errors=True)
            if self.names.logs.exists():
                shutil.copytree(self.names.logs, kept)
            cleanup.remove(self.names)
            if isinstance(error, LocalClusterError) and kept.exists():
                raise type(error)(error.what, way_out=f"the logs are in {kept}") from error
            raise

    # -- down, status, images ----------------------------------------------------------------------------

    def down(self, *, purge: bool = False) -> int:
        preflight.check_machine()
        killed = cleanup.remove(self.names, stores=purge)
        shutil.rmtree(self.names.state / "failed", ignore_errors=True)
        return killed

    def recorded_spec(self) -> ClusterSpec | None:
        """The nodes of the running cluster; none for a control plane alone."""
        file = self.names.run / _SPEC_FILE
        if not file.exists():
            return None
        only, _, text = file.read_text().partition("\n")
        return None if only == "control-plane-only" else ClusterSpec.model_validate_json(text)

    def load_archive(self, archive: Path) -> list[str]:
        """Import an archive into every node."""
        binaries = ensure_binaries(lambda _: None)
        nodes = self._running_nodes(binaries)
        for entry in nodes:
            images.load(binaries.program("ctr"), entry, archive=archive)
        return [entry.name for entry in nodes]

    def load_image(self, reference: str) -> list[str]:
        """Import an exported image into the nodes that lack it."""
        binaries = ensure_binaries(lambda _: None)
        nodes = self._running_nodes(binaries)
        return images.load_layout(binaries.program("ctr"), nodes, layout=exported(), reference=reference)

    def _running_nodes(self, binaries: Binaries) -> list[Node]:
        spec = self.recorded_spec()
        if spec is None:
            raise LocalClusterError(
                f"cluster {self.names.cluster!r} has no nodes to load images into",
                way_out=f"run `hostler local up --name {self.names.cluster}`",
            )
        return nodes_of(self.names, spec, binaries)


def nodes_of(names: Names, spec: ClusterSpec, binaries: Binaries) -> list[Node]:
    kind = preflight.snapshotter(names.state)
    return [
        Node(names, entry, index, kubernetes=binaries.kubernetes, containerd=binaries.containerd, snapshotter=kind)
        for index, entry in enumerate(spec.nodes)
    ]


def ready_nodes(api: KubeApi) -> dict[str, bool]:
    """Every registered node and whether it is Ready."""
    found = {}
    for item in api.get("/api/v1/nodes").get("items", []):
        conditions = {c["type"]: c["status"] for c in item.get("status", {}).get("conditions", [])}
        found[item["metadata"]["name"]] = conditions.get("Ready") == "True"
    return found


def _fingerprint(spec: ClusterSpec, *, control_plane_only: bool) -> str:
    return f"{'control-plane-only' if control_plane_only else 'nodes'}\n{spec.model_dump_json()}"


class _Start:
    """The steps of one `up`, which share paths, launcher and API client."""

    def __init__(self, names: Names, spec: ClusterSpec | None, binaries: Binaries) -> None:
        self.names = names
        self.layout = Layout(names, binaries.kubernetes)
        self._hierarchies = cgroups.hierarchies()
        self._launcher = Launcher(names, self._hierarchies)
        self._nodes = nodes_of(names, spec, binaries) if spec else []
        self._ctr = binaries.program("ctr")
        self._expected: list[str] = []

    @property
    def _api(self) -> KubeApi:
        return KubeApi(self.layout.kubeconfig)

    def prepare(self, spec: ClusterSpec, *, control_plane_only: bool) -> None:
        self.names.run.mkdir(parents=True, exist_ok=True)
        self.names.run.chmod(0o755)
        (self.names.run / _SPEC_FILE).write_text(_fingerprint(spec, control_plane_only=control_plane_only))
        network.create(self.names, nodes=len(self._nodes))
        # containerd needs no certificate, so it starts while they are made.
        for entry in self._nodes:
            self._start_containerd(entry)
        pki.create(self.layout.pki, pki.identities(self.names, [entry.name for entry in self._nodes]))
        config = pki.kubeconfig(self.names, self.layout.pki, identity="admin")
        self.layout.kubeconfig.write_text(config)
        self._write_resolv_conf()

    def _write_resolv_conf(self) -> None:
        source = Path("/run/systemd/resolve/resolv.conf")
        text = (source if source.exists() else Path("/etc/resolv.conf")).read_text()
        servers = controlplane.upstream_servers(text)
        self.layout.resolv_conf.write_text("".join(f"nameserver {server}\n" for server in servers))
        self.layout.corefile.write_text(controlplane.corefile(self.layout, upstream=bool(servers)))

    def _start_containerd(self, entry: Node) -> None:
        cgroups.create(self._hierarchies, entry.cgroup)
        (entry.home / "cni").mkdir(parents=True, exist_ok=True)
        (entry.home / "cni" / "10-pods.conflist").write_text(node.cni_conflist(entry))
        entry.containerd_config.write_text(node.containerd_toml(entry))
        (entry.home / "mounts.sh").write_text(node.mount_script(entry))
        self._launch(node.containerd(entry))

    def _launch(self, component: Component) -> None:
        self._launcher.start(component)
        self._expected.append(component.name)

    def require_alive(self) -> None:
        """Raise where a part that was started has ended meanwhile."""
        for component in self._expected:
            self._launcher.require_alive(component)

    def control_plane(self) -> None:
        self._launch(controlplane.etcd(self.layout))
        self._launch(controlplane.apiserver(self.layout))
        # The sandbox image goes in while the API server starts.
        for entry in self._nodes:
            self._wait(lambda entry=entry: images.answers(self._ctr, entry), what=f"containerd of {entry.name}")
            images.ensure_pause(self._ctr, entry)
            images.prune(self._ctr, entry, kept=exported().references())
        self._wait(self._api.ready, what="the API server")
        self._launch(controlplane.controller_manager(self.layout))
        self._launch(controlplane.scheduler(self.layout))
        if self._nodes:
            self._start_kubelets()
            self.layout.kube_proxy_config.write_text(
                controlplane.kube_proxy_yaml(self.layout, node=self._nodes[0].name)
            )
            self._launch(controlplane.kube_proxy(self.layout))
            self._launch(controlplane.coredns(self.layout))
            self._launch(self._provisioner())
            for path, body in addons.everything(self.names).items():
                self._api.apply(path, body)
        self._wait(self._default_service_account, what="the controller manager")

    def _default_service_account(self) -> bool:
        """Pods can be made in a namespace as soon as its service account is there."""
        try:
            return bool(self._api.get("/api/v1/namespaces/default/serviceaccounts/default"))
        except ApiError:
            return False

    def _provisioner(self) -> Component:
        package_root = Path(hostler.__file__).resolve().parents[1]
        program = ("env", f"PYTHONPATH={package_root}", sys.executable, "-m", "hostler.local.native.provisioner")
        return Component("provisioner", (*program, str(self.layout.kubeconfig), str(self.names.volumes)))

    def _start_kubelets(self) -> None:
        for entry in self._nodes:
            identity = f"kubelet-{entry.name}"
            entry.kubeconfig.write_text(pki.kubeconfig(self.names, self.layout.pki, identity=identity))
            entry.kubelet_config.write_text(
                node.kubelet_yaml(
                    entry,
                    pki=self.layout.pki,
                    resolv_conf=self.layout.resolv_conf,
                    machine=preflight.machine_resources(),
                )
            )
            pid = self._launcher.pids(entry.containerd_component)[0]
            self._launch(node.kubelet(entry, containerd_pid=pid))

    def nodes(self) -> None:
        """Wait until every node is Ready, and label it as its description says."""
        for entry in self._nodes:
            self._wait(lambda entry=entry: self._registered(entry), what=f"node {entry.name} to register")
            metadata = {"labels": entry.spec.all_labels(), "annotations": entry.spec.annotations()}
            self._api.merge(f"/api/v1/nodes/{entry.name}", {"metadata": metadata})
        for entry in self._nodes:
            self._wait(lambda entry=entry: ready_nodes(self._api).get(entry.name), what=f"node {entry.name}")

    def _registered(self, entry: Node) -> bool:
        return entry.name in ready_nodes(self._api)

    def _wait(self, condition: object, *, what: str) -> None:
        wait_for(
            condition,  # type: ignore[arg-type]
            what=f"{what} was not ready",
            timeout=_READY_SECONDS,
            alive=self.require_alive,
            way_out=f"see the logs in {self.names.logs}",
        )
