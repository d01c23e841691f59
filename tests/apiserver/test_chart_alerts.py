"""The chart's alerts: what is rendered, and that each fires on what it is for, by Prometheus's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from apiserver.alert_cases import CASES, TABLE
from apiserver.charts import Object, named, template

from hostler.local.tools import ensure_binaries

ON = ("monitoring.enabled=true", "monitoring.rules.enabled=true")


def rules_of(documents: list[Object]) -> dict[str, Object]:
    """The rendered rules by name."""
    (resource,) = named(documents, "PrometheusRule").values()
    return {rule["alert"]: rule for group in resource["spec"]["groups"] for rule in group["rules"] or ()}


def test_alerts_lead_to_their_runbooks(helm: Path) -> None:
    rules = rules_of(template(helm, *ON, "monitoring.rules.runbookUrl=https://runbooks.example/#"))
    assert set(rules) == set(TABLE)
    for name, alert in TABLE.items():
        assert rules[name]["annotations"]["runbook_url"] == f"https://runbooks.example/#{alert.anchor}"
        assert rules[name]["annotations"]["summary"] == alert.summary, "what Prometheus fills in has passed Helm unread"


def test_alerts_are_chosen_labelled_and_timed(helm: Path) -> None:
    values = (
        'monitoring.rules.disabled=["HostlerEventsDropped"]',
        'monitoring.rules.alertLabels={"team": "ml"}',
        'monitoring.rules.labels={"prometheus": "main"}',
        "monitoring.rules.waitingMinutes=5",
    )
    documents = template(helm, *ON, *values)
    rules = rules_of(documents)
    assert set(TABLE) - set(rules) == {"HostlerEventsDropped"}
    assert all(rule["labels"]["team"] == "ml" and rule["labels"]["severity"] for rule in rules.values())
    assert rules["HostlerObjectWaiting"]["expr"].endswith("> 60 * 5")
    (resource,) = named(documents, "PrometheusRule").values()
    assert resource["metadata"]["labels"]["prometheus"] == "main"


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    assert {case.alert for case in CASES if case.summary} == set(TABLE)


def test_alerts_fire_on_what_they_are_for_and_on_nothing_else(helm: Path, tmp_path: Path) -> None:
    (resource,) = named(template(helm, *ON), "PrometheusRule").values()
    _write(tmp_path / "rules.yaml", resource["spec"])
    tests = [case.as_test() for case in CASES]
    _write(tmp_path / "tests.yaml", {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    promtool = ensure_binaries(lambda _: None).program("promtool")
    for arguments in (("check", "rules", "rules.yaml"), ("test", "rules", "tests.yaml")):
        done = subprocess.run([promtool, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _write(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
