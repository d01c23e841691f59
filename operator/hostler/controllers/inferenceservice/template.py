"""The pod template that replicas run, remembered beside them.

Two things look alike on the Deployment: somebody has changed its template, or this operator is newer than the one that
wrote it and would write another one. The first has to be put back, the second must be left alone, because an upgrade
restarts no running pod. So what was written is kept: the template as an annotation of the Deployment, its hash in our
status. The hash is there because who may edit Deployments could edit the annotation as well, and would have us write
whatever it says.
"""

from __future__ import annotations

import json
from typing import Any

from hostler.api.schema import GROUP
from hostler.controllers.inferenceservice.observed import Observed, revision_of
from hostler.controllers.ports import Object
from hostler.manifests.hashing import content_hash
from hostler.manifests.podtemplate import Image
from hostler.planning import pods as read

TEMPLATE = f"{GROUP}/template"
"""Annotation on the Deployment: the template as it was written, as JSON."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""Annotation that ``kubectl rollout restart`` leaves in a template."""
CONTAINER = "server"


def with_template(deployment: Object, template: Object) -> Object:
    """The Deployment with this template, and with what remembers it."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    metadata = deployment["metadata"]
    annotations = {**(metadata.get("annotations") or {}), TEMPLATE: text}
    return {
        **deployment,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**deployment["spec"], "template": template},
    }


def written(seen: Observed, revision: str) -> Object | None:
    """The template that was written for this revision; None where that is not known for certain."""
    if seen.deployment is None or revision_of(seen.deployment) != revision:
        return None
    text = (seen.deployment["metadata"].get("annotations") or {}).get(TEMPLATE)
    try:
        found: Any = json.loads(text or "null")
    except ValueError:
        return None
    known = isinstance(found, dict) and template_hash(found) == seen.status.template_hash
    return found if known else None


def kept(seen: Observed, revision: str) -> Object | None:
    """The template that has to stay: replicas of this revision work with it, and nobody asked for new ones."""
    found = written(seen, revision)
    if found is None or not _works(seen, revision):
        return None
    wish = wished_restart(seen)
    return found if wish is None or wish == _restarted_at(found) else None


def wished_restart(seen: Observed) -> str | None:
    """When a person last asked for new pods with ``kubectl rollout restart``; None where nobody did."""
    return _restarted_at(((seen.deployment or {}).get("spec") or {}).get("template") or {})


def _works(seen: Observed, revision: str) -> bool:
    """Whether a replica of this revision is ready, or all of them have been: what never worked is corrected instead.

    Not only what the Deployment says: while somebody's change of the template is put back, the older pods are good.
    """
    rollout = seen.rollout
    good = any(
        revision_of(pod) == revision and read.is_ready(pod) and not read.is_terminating(pod) for pod in seen.pods
    )
    return good or (rollout is not None and rollout.settled)


def _restarted_at(template: Object) -> str | None:
    found: str | None = ((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT)
    return found


def template_hash(template: Object) -> str:
    """What status remembers of a template."""
    return content_hash(template, length=16)


def restarted(template: Object, when: str) -> Object:
    """The template with a person's wish for new pods in it."""
    metadata = template["metadata"]
    annotations = {**(metadata.get("annotations") or {}), RESTARTED_AT: when}
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def image_of(template: Object) -> Image:
    """The image of a template that we wrote."""
    (container,) = (each for each in template["spec"]["containers"] if each["name"] == CONTAINER)
    return Image(reference=container["image"], pull_policy=container.get("imagePullPolicy", "IfNotPresent"))
