"""What the installation decides for all controllers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostler.accelerators import Verb
from hostler.manifests.downloads import NO_RULES, DownloadRules
from hostler.manifests.networkpolicy import TrafficRules
from hostler.manifests.podtemplate import Image
from hostler.planning.endpoints import EndpointPattern


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read once at start; nothing here reaches a pod template but images, proxies and certificates."""

    train_image: str
    """Runtime image of trainers, built for ``default_variant``."""
    serve_image: str
    """Runtime image of servers, likewise."""
    default_variant: str = "cpu"
    """What the two images above were built for."""
    variant_images: Mapping[str, str] = field(default_factory=dict)
    """Images for other variants, by ``<verb>-<variant>`` such as ``train-rocm``."""
    image_pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Secrets with credentials of the runtime images' registry, which an administrator keeps in every namespace."""
    allowed_endpoints: tuple[EndpointPattern, ...] = ()
    """Endpoints of data that may be sent credentials, beside the public hub and the cloud's own."""
    imports: DownloadRules = NO_RULES
    """Hub, proxies and certificates of whoever fetches models and data."""
    start_grace_seconds: float = 300.0
    """For how long something may keep pods from starting (a quota, a claim, an image) before a job gives its
    accelerators back."""
    pool_interval_seconds: float = 2.0
    """Between two writes of a pool's status, however many pods come and go."""
    prepares_apart: bool = False
    """Whether jobs that leave it open have their data prepared before they ask for accelerators."""
    traffic: TrafficRules | None = None
    """Rules of NetworkPolicies for workloads; None makes none."""
    ledger_namespace: str = "hostler-system"
    """Where ledgers of what was spent are kept: the operator's own namespace, in which tenants do not write."""
    recheck_seconds: float = 30.0
    """Between two looks at what waits for something that no watch reports, such as a ConfigMap with data."""

    @property
    def seat_grace_seconds(self) -> float:
        """For how long the pods of a reservation may take to get to their nodes. Longer than a job itself waits,
        because a job can say what keeps its pods from starting."""
        return 1.5 * self.start_grace_seconds

    def default_image(self, verb: Verb) -> Image:
        """The runtime image for what needs no accelerator."""
        image = self.image(verb, variant=self.default_variant)
        assert image is not None  # the default variant always has one
        return image

    def image(self, verb: Verb, *, variant: str) -> Image | None:
        """The runtime image for a verb on a variant; None where the installation has none that could drive it."""
        reference = self.variant_images.get(f"{verb.value}-{variant}")
        if reference is None and variant == self.default_variant:
            reference = self.train_image if verb is Verb.TRAIN else self.serve_image
        return (
            None
            if reference is None
            else Image(reference=reference, pull_policy=self.image_pull_policy, pull_secrets=self.pull_secrets)
        )
