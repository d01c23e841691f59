"""The PrometheusRule of the chart as a template, from the table of alerts."""

from __future__ import annotations

import re

from hostler.manifests.yamltext import to_yaml
from hostler.metrics.alerts import GROUPS, WAITING_MINUTES, Alert

_HEAD = """\
{{- if and .Values.monitoring.enabled .Values.monitoring.rules.enabled }}
{{- $rules := .Values.monitoring.rules }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "hostler.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "hostler.labels" . | nindent 4 }}
    {{- with $rules.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
"""


def render_template() -> str:
    """The whole file."""
    groups = (f"  - name: {name}\n    rules:\n" + "".join(map(_rule, alerts)) for name, alerts in GROUPS.items())
    return _HEAD + "".join(groups) + "{{- end }}\n"


def _rule(alert: Alert) -> str:
    """An entry that the values may leave out and add labels to; what Prometheus fills in must pass Helm unread."""
    first, *rest = to_yaml(alert.rule()).splitlines()
    text = "\n".join([f"      - {first}", *(f"        {line}" for line in rest)])
    text = re.sub(r"\{\{.*?\}\}", lambda found: f"{{{{ `{found[0]}` }}}}", text, flags=re.DOTALL)
    text = text.replace(WAITING_MINUTES, "{{ $rules.waitingMinutes }}")
    text += f'\n          runbook_url: {{{{ printf "%s{alert.anchor}" $rules.runbookUrl | quote }}}}\n'
    more = (
        "          {{- with $rules.alertLabels }}\n"
        "          {{- toYaml . | nindent 10 }}\n"
        "          {{- end }}\n"
        "        annotations:\n"
    )
    text = text.replace("        annotations:\n", more)
    return f'      {{{{- if not (has "{alert.name}" $rules.disabled) }}}}\n{text}      {{{{- end }}}}\n'
