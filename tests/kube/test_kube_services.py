"""Addresses and node ports, and the warnings about Services and everything skipped."""

from __future__ import annotations

import ipaddress

import pytest

from svcsim.kube import Container, ContainerPort, parse_manifests, resolve_port


def named(service: str, *names: str) -> str:
    return "---\n".join(service.replace("name: web", f"name: {name}") for name in names)


def test_addresses_depend_on_names_only(service: str) -> None:
    few = parse_manifests(named(service, "a", "b")).services
    many = parse_manifests(named(service, *(f"s{i}" for i in range(200)), "b", "a")).services
    assert {one.key: one.cluster_ip for one in few}.items() <= {
        one.key: one.cluster_ip for one in many
    }.items()
    assert len({one.cluster_ip for one in many}) == 202
    network = ipaddress.ip_network("10.96.0.0/12")
    assert all(ipaddress.ip_address(one.cluster_ip or "") in network for one in many)


def test_an_address_that_is_asked_for_is_given(service: str) -> None:
    given = parse_manifests(named(service, "a")).services[0].cluster_ip
    taken = named(service, "z").replace("spec:\n", f"spec:\n  clusterIP: {given}\n")
    both = parse_manifests(f"{taken}---\n{named(service, 'a')}").services
    assert both[0].cluster_ip == given
    assert both[1].cluster_ip not in (None, given)


def test_headless_and_external_name_services_have_no_address(service: str) -> None:
    headless = service.replace("spec:\n", "spec:\n  clusterIP: None\n")
    (made,) = parse_manifests(headless).services
    assert (made.headless, made.cluster_ip, made.type) == (True, None, "ClusterIP")
    spec = "{type: ExternalName, externalName: db.example}"
    text = f"{{apiVersion: v1, kind: Service, metadata: {{name: x}}, spec: {spec}}}"
    manifests = parse_manifests(text)
    assert (manifests.services[0].external_name, manifests.services[0].cluster_ip) == ("db.example", None)
    assert manifests.warnings == ()


def test_node_ports_fill_the_range_without_meeting(service: str) -> None:
    ports = ", ".join(f"{{name: p{i}, port: {i + 1}}}" for i in range(900))
    text = service.replace("[{port: 80, targetPort: http}]", f"[{ports}]").replace(
        "spec:\n", "spec:\n  type: NodePort\n"
    )
    made = parse_manifests(named(text, "a", "b", "c")).services
    numbers = [port.node_port for one in made for port in one.ports]
    assert len(set(numbers)) == 2700
    assert all(number is not None and 30000 <= number <= 32767 for number in numbers)


def test_node_ports_run_out(service: str) -> None:
    ports = ", ".join(f"{{name: p{i}, port: {i + 1}}}" for i in range(2769))
    text = service.replace("[{port: 80, targetPort: http}]", f"[{ports}]").replace(
        "spec:\n", "spec:\n  type: NodePort\n"
    )
    with pytest.raises(
        Exception, match=r"spec\.ports = 2769 gets no node port: all of 30000-32767 are taken$"
    ):
        parse_manifests(text)


def test_one_node_port_serves_two_protocols(service: str) -> None:
    text = service.replace("spec:\n", "spec:\n  type: NodePort\n").replace(
        "[{port: 80, targetPort: http}]",
        "[{name: t, port: 53, nodePort: 30053}, {name: u, port: 53, protocol: UDP, nodePort: 30053}]",
    )
    assert [port.node_port for port in parse_manifests(text).services[0].ports] == [30053, 30053]


WARNINGS = [
    ("{app: web}", "{app: wbe}", "spec.selector matches no pod of this run (it asks for app=wbe)"),
    (
        "  selector: {app: web}\n",
        "",
        "spec.selector is absent: nothing in this run gives the Service endpoints",
    ),
    (
        "targetPort: http",
        "targetPort: htpt",
        "spec.ports[80/TCP].targetPort = htpt does not resolve in deployment/web: "
        "no TCP port is named 'htpt': "
        "the containers declare http=8080/TCP; the port has no endpoints",
    ),
    (
        "targetPort: http",
        "targetPort: 9090",
        "spec.ports[80/TCP].targetPort = 9090 is refused by deployment/web: nothing listens at 9090/TCP: "
        "the containers declare http=8080/TCP",
    ),
    (
        "spec:\n",
        "spec:\n  externalIPs: [1.2.3.4]\n",
        "spec.externalIPs are not simulated yet: nothing arrives there",
    ),
    (
        "selector:",
        "selectr: {}\n  selector:",
        "spec.selectr is not a field Kubernetes knows and is ignored; did you mean selector?",
    ),
]


@pytest.mark.parametrize(("old", "new", "warning"), WARNINGS)
def test_service_warnings(deployment: str, service: str, old: str, new: str, warning: str) -> None:
    manifests = parse_manifests(f"{deployment}---\n{service.replace(old, new, 1)}")
    assert manifests.warnings == (f"service/web: {warning}",)


POD_WARNINGS = [
    ("hostNetwork: true", "hostNetwork is not simulated: the pod keeps an address of its own"),
    ("nodeSelector: {disk: ssd}", "nodeSelector is not simulated: pods are spread over the nodes without it"),
    ("affinity: {nodeAffinity: {}}", "affinity is not simulated: pods are spread over the nodes without it"),
    (
        "tolerations: [{operator: Exists}]",
        "tolerations are not simulated: pods are spread over the nodes without them",
    ),
    ("readinessGates: [{conditionType: a}]", None),
    (
        "topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]",
        "topologySpreadConstraints are not simulated: pods are spread over the nodes without them",
    ),
    ("nodeSelector: {kubernetes.io/os: linux}", None),
    ("tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists}]", None),
    (
        "termnationGracePeriodSeconds: 5",
        "termnationGracePeriodSeconds is not a field Kubernetes knows and is ignored; "
        "did you mean terminationGracePeriodSeconds?",
    ),
    (
        "minReadySeconds: 5",
        "minReadySeconds is not a field Kubernetes knows and is ignored; it belongs at spec.minReadySeconds",
    ),
]


@pytest.mark.parametrize(("field", "warning"), POD_WARNINGS)
def test_pod_warnings(deployment: str, field: str, warning: str | None) -> None:
    text = deployment.replace("    spec:\n", f"    spec:\n      {field}\n")
    expected = () if warning is None else (f"deployment/web: spec.template.spec.{warning}",)
    assert parse_manifests(text).warnings == expected


def test_container_warnings(deployment: str) -> None:
    text = deployment.replace(
        "name: nginx\n",
        "name: nginx\n        readinessProbe: {httpGet: {port: htp}}\n"
        "        lifecycle: {postStart: {exec: {command: [x]}}}\n",
    )
    where = "deployment/web: spec.template.spec.containers[0]"
    assert parse_manifests(text).warnings == (
        f"{where}.lifecycle.postStart is not simulated: add its time to workloads.startup",
        f"{where}.readinessProbe.httpGet.port names the port 'htp', unknown to container 'nginx': "
        "the probe always fails",
    )


def test_one_remark_about_two_objects_is_one_line(deployment: str) -> None:
    text = deployment.replace("    spec:\n", "    spec:\n      hostNetwork: true\n")
    both = text + "---\n" + text.replace("name: web\n", "name: shop\n")
    (line,) = parse_manifests(both).warnings
    assert line.startswith("deployment/web, deployment/shop: spec.template.spec.hostNetwork is not simulated")


def test_skipped_kinds_are_named_once(service: str) -> None:
    others = [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}",
        "{apiVersion: apps/v1, kind: Job, metadata: {name: db}}",
        "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web}}",
        "{apiVersion: apps/v1, kind: Deploymnet, metadata: {name: web}}",
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}",
    ]
    manifests = parse_manifests("\n---\n".join([*others, service]))
    assert len(manifests.services) == 1
    assert manifests.warnings[:-1] == (
        'Job "db" is not simulated yet: its pods do not exist in this run, unless listed as Pods',
        'Deploymnet "web" skipped: unknown kind; did you mean Deployment?',
        "skipped, without effect on this run: 2 ConfigMap, 1 Service (serving.knative.dev/v1), "
        "1 ServiceAccount",
    )


def test_resolve_port() -> None:
    web = Container(
        name="web",
        ports=(
            ContainerPort(name="http", container_port=8080),
            ContainerPort(name="dns", container_port=53, protocol="UDP"),
        ),
    )
    silent = Container(name="silent")
    by_name = resolve_port([silent, web], "http")
    assert (by_name.container_index, by_name.port, by_name.assumed) == (1, 8080, False)
    by_number = resolve_port([silent, web], 8080)
    assert (by_number.container_index, by_number.port) == (1, 8080)
    assumed = resolve_port([web, silent], 9000)
    assert (assumed.container_index, assumed.port, assumed.assumed) == (1, 9000, True)
    nobody = resolve_port([web], 9000)
    assert (nobody.listed, nobody.listening) == (True, False)
    unknown = resolve_port([web], "grpc")
    assert (unknown.listed, unknown.listening) == (False, False)
    assert not resolve_port([web], "dns", "TCP").listed
    assert resolve_port([web], "dns", "UDP").port == 53
    assert (
        resolve_port([silent], "http").reason == "no TCP port is named 'http': no container declares a port"
    )
