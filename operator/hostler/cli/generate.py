"""Writes what is generated: CRDs, the chart's copies of them, its roles, the reference pages.

``python -m hostler.cli.generate`` writes into the checkout; a test compares :func:`generated` with what lies there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostler.accelerators.reference import render_reference as render_accelerators
from hostler.api.crd import Manifest, crds
from hostler.api.reference import render_reference as render_api
from hostler.cli.alert_rules import render_template as render_rules
from hostler.cli.catalog_reference import render_reference as render_catalog_page
from hostler.cli.catalog_template import render_template as render_catalog
from hostler.cli.chart_reference import render_reference as render_chart
from hostler.cli.cli_reference import render_reference as render_cli
from hostler.cli.metrics_reference import render_reference as render_metrics
from hostler.manifests.rbac import operator_roles, policy_roles, simulator_roles, user_roles
from hostler.manifests.yamltext import to_yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = Path("helm/hostler/templates")
VALUES = Path("helm/hostler/values.yaml")
OWNED = (Path("crds"), CHART / "crds")
"""Folders in which every file is generated: what is there and not generated is stale."""

_COMMAND = "make generate"


@dataclass(frozen=True)
class GeneratedFile:
    """One file, relative to the root of the checkout."""

    path: Path
    content: str


@functools.cache
def generated() -> tuple[GeneratedFile, ...]:
    """Every generated file with the content that it must have."""
    return (*_crds(), _roles(), _rules(), _catalog(), *_pages())


def stale(root: Path) -> list[Path]:
    """Files in generated folders that nothing generates any more."""
    current = {file.path for file in generated()}
    found = {path.relative_to(root) for folder in OWNED for path in (root / folder).glob("*")}
    return sorted(found - current)


def write(root: Path) -> list[Path]:
    """Bring the files up to date; returns those that changed."""
    changed = []
    for file in generated():
        target = root / file.path
        if target.exists() and target.read_text(encoding="utf-8") == file.content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.content, encoding="utf-8")
        changed.append(file.path)
    for path in stale(root):
        (root / path).unlink()
        changed.append(path)
    return changed


def _crds() -> Iterator[GeneratedFile]:
    header = _yaml_header("operator/hostler/api")
    for crd in crds():
        name = f"{crd['metadata']['name']}.yaml"
        yield GeneratedFile(Path("crds") / name, header + to_yaml(crd))
        yield GeneratedFile(CHART / "crds" / name, header + _chart_crd(crd))


def _chart_crd(crd: Manifest) -> str:
    """As a template, because Helm never upgrades what lies in a chart's ``crds/`` folder."""
    name = f"  name: {crd['metadata']['name']}\n"
    keep = (
        "  {{- if .Values.crds.keep }}\n"
        "  annotations:\n"
        "    helm.sh/resource-policy: keep\n"
        "  {{- end }}\n"
        "  labels:\n"
        '    {{- include "hostler.labels" . | nindent 4 }}\n'
    )
    text = _no_template(to_yaml(crd)).replace(name, name + keep, 1)
    return _only_if("crds.enabled", text)


def _only_if(condition: str, text: str, *, otherwise: str = "") -> str:
    """Text under a condition of the chart's values, or another one in its place."""
    alternative = f"{{{{- else }}}}\n{otherwise}" if otherwise else ""
    return f"{{{{- if .Values.{condition} }}}}\n{text}{alternative}{{{{- end }}}}\n"


_PLACES = {
    "RELEASE-NAMESPACE": "{{ $.Release.Namespace }}",
    "RELEASE-FULLNAME": '{{ include "hostler.fullname" $ }}',
    "WATCHED-NAMESPACE": "{{ . | quote }}",
}
"""Words that are replaced by what Helm evaluates: YAML cannot hold it."""


def _roles() -> GeneratedFile:
    namespace, fullname, watched = _PLACES
    operator = {"namespace": namespace, "name": f"{fullname}-operator"}
    everywhere = operator_roles(**operator)
    named = operator_roles(**operator, watched=(watched,))
    repeated = [role for role in named if role["metadata"].get("namespace") == watched]
    once = [role for role in named if role not in repeated]
    text = (
        _only_if("operator.watchNamespaces", _documents(once) + _each(repeated), otherwise=_documents(everywhere))
        + _only_if("networkPolicy.workloads.enabled", _policies(operator, watched=watched))
        + _documents(user_roles(name=fullname))
        + _only_if(
            "simulator.enabled",
            _documents(simulator_roles(namespace=namespace, name=f"{fullname}-device-simulator")),
        )
    )
    for word, evaluated in _PLACES.items():
        text = text.replace(word, evaluated)
    return GeneratedFile(CHART / "rbac-generated.yaml", _yaml_header("operator/hostler/manifests/rbac.py") + text)


def _policies(operator: Mapping[str, str], *, watched: str) -> str:
    everywhere, named = policy_roles(**operator), policy_roles(**operator, watched=(watched,))
    return _only_if("operator.watchNamespaces", _each(named), otherwise=_documents(everywhere))


def _each(roles: Iterable[Manifest]) -> str:
    """Once for each namespace that is watched."""
    return f"{{{{- range .Values.operator.watchNamespaces }}}}\n{_documents(roles)}{{{{- end }}}}\n"


def _rules() -> GeneratedFile:
    header = _yaml_header("operator/hostler/metrics/alerts.py")
    return GeneratedFile(CHART / "rules-generated.yaml", header + render_rules())


def _catalog() -> GeneratedFile:
    header = (
        f"{{{{- /* Written by `{_COMMAND}` from operator/hostler/catalog/entries; change that, not this file. */}}}}\n"
    )
    return GeneratedFile(CHART / "_catalog-generated.tpl", header + render_catalog())


def _documents(roles: Iterable[Manifest]) -> str:
    return "".join(f"---\n{_with_labels(role)}" for role in roles)


def _with_labels(role: Manifest) -> str:
    """The release's labels before the role's own, or alone."""
    include = '    {{- include "hostler.labels" $ | nindent 4 }}\n'
    text = _no_template(to_yaml(role))
    if "labels" in role["metadata"]:
        return text.replace("  labels:\n", "  labels:\n" + include, 1)
    name = f"  name: {role['metadata']['name']}\n"
    return text.replace(name, f"{name}  labels:\n{include}", 1)


def _pages() -> Iterator[GeneratedFile]:
    pages = (
        ("api.md", "operator/hostler/api", render_api),
        ("accelerators.md", "operator/hostler/accelerators", render_accelerators),
        ("catalog.md", "operator/hostler/catalog/entries", render_catalog_page),
        ("cli.md", "the commands in operator/hostler/cli", render_cli),
        ("metrics.md", "operator/hostler/cli/metrics_reference.py", render_metrics),
        ("chart.md", str(VALUES), lambda: render_chart((ROOT / VALUES).read_text(encoding="utf-8"))),
    )
    for name, source, render in pages:
        yield GeneratedFile(Path("docs/reference") / name, _page(render(), source=source))


def _page(text: str, *, source: str) -> str:
    header = f"<!-- Written by `{_COMMAND}` from {source}; change that, not this page. -->\n"
    return text if text.startswith("<!--") else header + text


def _yaml_header(source: str) -> str:
    return f"# Written by `{_COMMAND}` from {source}; change that, not this file.\n"


def _no_template(text: str) -> str:
    """Text that Helm would take for a template must not come from a description."""
    if "{{" in text:
        raise ValueError("a generated manifest contains '{{', which Helm would evaluate")
    return text


def main() -> None:
    """Write and say what changed."""
    for path in write(ROOT):
        print(path)


if __name__ == "__main__":
    main()
