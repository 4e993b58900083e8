"""Metrics: our names, closed labels, no ids."""

from __future__ import annotations

import tomllib

from gateway import VERSION
from gateway.telemetry import metrics
from tests.conftest import ROOT

LABELS = {
    "kind", "outcome", "reason", "status", "stage", "code", "route", "part", "version", "dialect", "executor",
    "where", "resource", "model", "direction", "result", "ingress",
}  # fmt: skip


def test_every_metric_is_ours_and_described() -> None:
    """`voiceengine_…` with a sentence."""
    for metric in metrics.REGISTRY.collect():
        assert metric.name.startswith("voiceengine_")
        assert metric.documentation.endswith(".")


def test_labels_are_of_the_closed_set() -> None:
    """No session, call, key or user stands in a label; a model is one that an operator declared."""
    for metric in metrics.REGISTRY._collector_to_names:
        assert set(getattr(metric, "_labelnames", ())) <= LABELS, metric


def test_what_operators_need_is_there() -> None:
    """Sessions, turn latency, stage times, denials, errors, requests, build."""
    names = {metric.name for metric in metrics.REGISTRY.collect()}
    assert {
        "voiceengine_sessions",
        "voiceengine_turn_latency_seconds",
        "voiceengine_stage_seconds",
        "voiceengine_denials",
        "voiceengine_errors",
        "voiceengine_http_requests",
        "voiceengine_build",
    } <= names


def test_version_is_the_distributions() -> None:
    """One version, said twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
