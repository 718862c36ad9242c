"""Services without a selector and the endpoints written for them by hand."""

from __future__ import annotations

import pytest

from svcsim.errors import ManifestError
from svcsim.kube import parse_manifests

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {ports: [{name: pg, port: 5432}, {name: http, port: 80}]}
"""
SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: pg, port: 6432}]
endpoints:
- {addresses: [10.1.2.3]}
- {addresses: [10.1.2.4], conditions: {ready: true}}
- {addresses: [10.1.2.5], conditions: {ready: false}}
"""
ENDPOINTS = """
---
apiVersion: v1
kind: Endpoints
metadata: {name: db}
subsets: [{addresses: [{ip: 10.9.9.9}], ports: [{name: http, port: 8080}]}]
"""


def test_ready_endpoints_become_backends() -> None:
    manifests = parse_manifests(SERVICE + SLICE)
    service = manifests.service("db")
    backends = manifests.backends(service)
    assert [(str(one.key), one.address) for one in backends] == [
        ("endpointslice/db-1.0", "10.1.2.3"),
        ("endpointslice/db-1.1", "10.1.2.4"),
    ]
    assert "spec.selector is absent: its endpoints are the 2 written by hand" in manifests.warnings[0]


def test_ports_are_matched_by_name() -> None:
    """The Service's port 5432 leads to the endpoints' 6432; nothing is written for its port 80."""
    manifests = parse_manifests(SERVICE + SLICE)
    (port,) = manifests.backends(manifests.service("db"))[0].template.containers[0].ports
    assert (port.name, port.container_port) == ("p-5432", 6432)
    assert any("ports[http].targetPort" in line for line in manifests.warnings)


def test_endpoints_of_the_older_kind_count_too() -> None:
    manifests = parse_manifests(SERVICE + SLICE + ENDPOINTS)
    backends = manifests.backends(manifests.service("db"))
    assert [one.address for one in backends] == ["10.1.2.3", "10.1.2.4", "10.9.9.9"]


def test_slices_of_a_service_with_a_selector_follow_its_pods() -> None:
    manifests = parse_manifests(SERVICE.replace("spec: {", "spec: {selector: {app: db}, ") + SLICE)
    assert manifests.backends(manifests.service("db")) == ()
    assert any("the endpoints follow the pods" in line for line in manifests.warnings)


def test_a_slice_that_is_wrong_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"endpoints\[0\].addresses = \[\] must not be empty"):
        parse_manifests(SERVICE + SLICE.replace("addresses: [10.1.2.3]", "addresses: []"))
    with pytest.raises(ManifestError, match="protocol"):
        parse_manifests(SERVICE + SLICE.replace("port: 6432", "port: 6432, protocol: ICMP"))


def test_the_node_of_an_endpoint_is_kept() -> None:
    named = SLICE.replace("[10.1.2.3]", "[10.1.2.3], nodeName: node-2")
    manifests = parse_manifests(SERVICE + named)
    backends = manifests.backends(manifests.service("db"))
    assert [one.node_name for one in backends] == ["node-2", None]
