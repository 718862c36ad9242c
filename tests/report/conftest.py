"""One simulated rollout for all tests that want a real result."""

from __future__ import annotations

import pytest

from svcsim.results.result import Result
from svcsim.scenario import parse_scenario
from svcsim.simulation import simulate

SCENARIO = """
name: "ten <b>pods</b> & more"
duration: 60s
manifests:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 3
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
            - name: web
              image: registry.example/web:1
              ports: [{containerPort: 8080}]
              readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 2}
  - apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
clients:
  - {name: vip, to: service/web, via: cluster-ip, rate: 100/s}
  - {name: "<script>alert(1)</script>", to: service/web, via: pod-ip, resolve: {every: 30s}, rate: 100/s}
events:
  - {at: 10s, rollout: deployment/web}
  - {at: 40s, rate: vip, value: 50/s}
"""


@pytest.fixture(scope="session")
def simulated() -> Result:
    """Three pods rolled, reached in two ways, six times over."""
    return simulate(parse_scenario(SCENARIO), seed=3, replications=6)
