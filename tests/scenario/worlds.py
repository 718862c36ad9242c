"""Manifests and scenario documents that the tests of scenarios start from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from svcsim.scenario import Scenario, parse_scenario

__all__ = ["COMPLETE", "MANIFESTS", "SMALL", "complete", "read", "small"]

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 10
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, "app.kubernetes.io/rev": "1e3"}}
    spec:
      containers:
      - name: web
        image: example/web:1
        ports: [{name: http, containerPort: 8080}]
        lifecycle: {preStop: {httpGet: {path: /bye, port: http}}}
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
      - name: logs
        image: example/logs:1
        ports: [{containerPort: 9000}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: old, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: old, image: example/old:1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: logs, port: 90, targetPort: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: web-headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.org}
---
apiVersion: v1
kind: Service
metadata: {name: bare}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: names}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: dns, port: 53, targetPort: 53, protocol: UDP}, {name: tcp, port: 80, targetPort: http}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split}
spec: {rules: [{backendRefs: [{name: web, port: 80, weight: 9}, {name: web-headless, port: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: solo, labels: {app: solo}}
spec: {containers: [{name: solo, image: example/solo:1}]}
"""
"""A Deployment with a hook of unknown length, a ReplicaSet elsewhere, Services of every sort, a bare pod."""

OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFESTS))

SMALL: dict[str, Any] = {
    "manifests": OBJECTS,
    "duration": "60s",
    "clients": [{"name": "vip", "to": "service/web", "via": "cluster-ip", "rate": "200/s"}],
}

COMPLETE: dict[str, Any] = {
    "name": "everything at once",
    "manifests": OBJECTS,
    "duration": "180s",
    "cluster": {
        "kubernetes": "1.34",
        "nodes": [
            {
                "name": "n1",
                "zone": "a",
                "cpu": "3500m",
                "pods": 50,
                "unschedulable": False,
                "proxySlowdown": 4,
            },
            {"name": "n2", "zone": "b"},
        ],
        "kubeProxy": {
            "mode": "nftables",
            "minSyncPeriod": "2s",
            "syncPeriod": "30s",
            "ipvsScheduler": "lc",
            "lbAlgorithm": "maglev",
        },
        "podNetwork": "routed",
        "vanishedIP": {"then": "blackhole", "after": "2s", "reuse": {"after": "30s"}},
        "kernel": "5.15",
        "nodeMonitorGracePeriod": "10s",
        "otherServices": {"count": 100, "endpoints": 5},
        "loadBalancer": {
            "preset": "azure",
            "targets": "pods",
            "check": "healthz",
            "interval": "5s",
            "unhealthyAfter": 2,
            "healthyAfter": 3,
        },
        "dns": {"ttl": "10s", "cache": "5s", "negative": "2s"},
        "conntrack": {"udp": "20s", "udpStream": "60s", "cleanup": False, "max": 1000},
        "endpointSlice": {"maxEndpoints": 50, "batchPeriod": "100ms"},
        "lag": {
            "controller": "10ms",
            "api": "10ms",
            "scheduler": {"exponential": {"mean": "20ms"}},
            "pull": "1s",
            "start": {"lognormal": {"median": "50ms", "p99": "300ms"}},
            "kubelet": "10ms",
            "status": "10ms",
            "endpointSlice": {"uniform": ["10ms", "1s"]},
            "watch": "1ms",
            "sync": "30ms",
            "exit": "1ms",
            "teardown": "30ms",
            "stop": "60ms",
            "reconnect": "20s",
            "loadBalancer": "2s",
            "ingress": "1s",
            "load": 1,
        },
    },
    "workloads": {
        "deployment/web": {
            "startup": {"lognormal": {"median": "2s", "p99": "8s"}},
            "serviceTime": {"exponential": {"mean": "20ms"}},
            "concurrency": 8,
            "queue": {"places": 128, "full": "drop"},
            "onSigterm": {"lameDuck": "5s"},
            "preStop": "4s",
            "cpu": {"idle": "20m", "busy": 1, "startup": "500m"},
            "age": "1h",
            "keepAlive": "75s",
            "discipline": "processor-sharing",
            "warmUp": {"length": "30s", "slowdown": 2.5, "shape": "linear"},
            "readinessGate": {"exponential": {"mean": "3s"}},
            "probe": {"time": "20ms", "competes": True},
        },
        "shop/rs/old/old": {"concurrency": 4, "queue": 12, "onSigterm": "drain"},
    },
    "clients": [
        {
            "name": "pinned",
            "to": "service/web",
            "via": "pod-ip",
            "rate": "200/s",
            "port": "http",
            "resolve": {"every": "30s"},
            "arrivals": "constant",
            "timeout": {"connect": "2s", "request": "none"},
            "from": "zone:a",
            "sources": 12,
            "hostNetwork": True,
        },
        {"name": "vip", "to": "svc/web", "via": "cluster-ip", "rate": 100, "port": 80, "timeout": "3s"},
        {
            "name": "front",
            "to": "svc/web",
            "via": "ingress",
            "rate": 100,
            "balance": "least-request",
            "keepAlive": {
                "idle": "60s",
                "maxIdle": 4,
                "maxAge": "5m",
                "ageJitter": "20%",
                "maxRequests": 1000,
                "hears": "2ms",
            },
            "eject": {"after": 3, "for": "10s"},
            "retry": {
                "times": 2,
                "outcomes": ["refused", "connect_timeout"],
                "backoff": "10ms",
                "maxBackoff": "100ms",
                "jitter": False,
                "excludeTried": False,
                "budget": {"share": "20%", "burst": 5},
            },
        },
        {
            "name": "dns",
            "to": "svc/web-headless",
            "via": "headless",
            "rate": 100,
            "pick": "rotate",
            "channel": True,
        },
        {
            "name": "outside",
            "to": "svc/names",
            "port": "tcp",
            "via": "node-port",
            "rate": 100,
            "entry": "any",
            "ports": 5000,
        },
        {
            "name": "resolver",
            "to": "svc/names",
            "port": "dns",
            "via": "cluster-ip",
            "rate": 100,
            "protocol": "udp",
            "sockets": "one",
            "timeout": "5s",
        },
        {
            "name": "grpc",
            "to": "svc/web-headless",
            "via": "headless",
            "rate": 100,
            "resolve": "on-failure",
            "minResolution": "30s",
        },
        {
            "name": "daily",
            "to": "svc/web",
            "via": "cluster-ip",
            "rate": {
                "curve": [["0h", 10], ["6h", "50/s"]],
                "interpolate": "linear",
                "period": "24h",
                "start": "8h",
            },
            "bursts": {"every": "60s", "length": "5s", "factor": 4, "first": "10s"},
        },
        {
            "name": "spells",
            "to": "svc/web",
            "via": "cluster-ip",
            "rate": 10,
            "bursts": {"every": "60s", "length": "5s", "rate": "40/s", "random": True},
        },
        {
            "name": "recorded",
            "to": "svc/web",
            "via": "cluster-ip",
            "arrivals": {
                "trace": {
                    "file": str(Path(__file__).with_name("arrivals.csv")),
                    "column": "at",
                    "count": "requests",
                    "unit": "ms",
                    "fromFirst": True,
                    "repeat": "1h",
                }
            },
        },
        {
            "name": "listed",
            "to": "svc/web",
            "via": "cluster-ip",
            "arrivals": {"trace": {"instants": ["1ms", "2s"]}},
        },
        {
            "name": "users",
            "to": "svc/web",
            "via": "cluster-ip",
            "loop": {"users": 20, "think": {"exponential": {"mean": "1s"}}},
        },
    ],
    "events": [
        {"at": "10s", "rollout": "deployment/web", "set": {"preStop": "5s"}, "every": "20s", "times": 2},
        {"at": "20s", "scale": "deployment/web", "replicas": 3},
        {"at": "30s", "delete": "deployment/web", "count": 2},
        {"at": "40s", "crash": "deployment/web", "count": 2},
        {"at": "50s", "kill": "pod/solo"},
        {"at": "60s", "unready": "deployment/web", "count": 2, "for": "5s"},
        {"at": "70s", "rate": "vip", "value": "300/s"},
        {"at": "70.5s", "selector": "service/web", "labels": {"app": "solo", "track": None}},
        {"at": "70.7s", "weights": "httproute/split", "backends": {"web": 5}},
        {"at": "71s", "cordon": "n1"},
        {"at": "72s", "uncordon": "n1"},
        {"at": "73s", "drain": "n1"},
        {"at": "74s", "stopProxy": "n1"},
        {"at": "75s", "startProxy": "n1"},
        {"at": "76s", "fail": "n1"},
        {"at": "77s", "recover": "n1"},
        {"at": "78s", "partition": "n1", "for": "9s"},
        {"at": "79s", "upgrade": "zone:a", "count": 2, "for": "30s"},
        {"at": "79.5s", "removeNode": "n1", "wait": "40s"},
        {"at": "80s", "pauseController": "endpointslice", "for": "5s"},
    ],
}
"""A document in which every key of the file layer occurs."""


def small(**changes: Any) -> dict[str, Any]:
    """A copy of the smallest document, with sections changed."""
    return copy.deepcopy({**SMALL, **changes})


def complete(**changes: Any) -> dict[str, Any]:
    """A copy of the document that has everything, with sections changed."""
    return copy.deepcopy({**COMPLETE, **changes})


def read(document: dict[str, Any]) -> Scenario:
    """The scenario of a document, through its text."""
    return parse_scenario(json.dumps(document))
