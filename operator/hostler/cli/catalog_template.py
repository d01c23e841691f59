"""The chart's copy of the catalog: a named template, which ``templates/catalog.yaml`` puts out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hostler.catalog import entries
from hostler.manifests.yamltext import to_yaml

TEMPLATE = "hostler.catalog"
_SEPARATOR = "---\n"


def render_template() -> str:
    """Every entry that is not excluded, as YAML documents."""
    documents = "".join(map(_document, entries().values()))
    return f'{{{{- define "{TEMPLATE}" }}}}\n{documents}{{{{- end }}}}\n'


def _document(entry: dict[str, Any]) -> str:
    name = entry["metadata"]["name"]
    text = to_yaml(entry)
    if "{{" in text:
        raise ValueError(f"catalog/entries/{name}.yaml contains '{{{{', which Helm would evaluate")
    line = f"  name: {name}\n"
    text = text.replace(line, f'{line}  labels:\n    {{{{- include "hostler.labels" $ | nindent 4 }}}}\n', 1)
    for after, added in _terms(entry["spec"]):
        text = text.replace(after, after + added, 1)
    return f'{{{{- if not (has "{name}" $.Values.catalog.exclude) }}}}\n{_SEPARATOR}{text}{{{{- end }}}}\n'


def _terms(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What values add to an entry that the hub gates: a line of the spec, and what comes after it."""
    if not spec.get("gated"):
        return
    licence, repository = spec["license"], spec["artifacts"]["source"]["hf"]["repository"]
    accepted = f'  {{{{- if has "{licence}" $.Values.catalog.acceptedLicenses }}}}\n  acceptedLicense: {licence}\n'
    yield f"  license: {licence}\n", f"{accepted}  {{{{- end }}}}\n"
    token = "        {{- with $.Values.catalog.tokenSecret }}\n        secretRef:\n          name: {{ . }}\n"
    yield f"        repository: {repository}\n", f"{token}        {{{{- end }}}}\n"
