"""The manifests that most experiments ask about: a Deployment behind a Service, both called `web`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["web"]


def web(replicas: int, container: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A Deployment of pods with one container that listens on 8080, and the Service that selects them."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]
