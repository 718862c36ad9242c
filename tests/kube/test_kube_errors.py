"""Each rule has its message: file, line, object, field, value, rule."""

from __future__ import annotations

import re

import pytest

from svcsim.errors import ManifestError
from svcsim.kube import parse_manifests

WEB = r"^web\.yaml:{line}: deployment/web: "

IN_A_DEPLOYMENT = [
    ("replicas: 3", 'replicas: "3"', 6, 'spec.replicas = "3" must be an integer: write 3 without quotes'),
    ("replicas: 3", "replicas: -1", 6, "spec.replicas = -1 must be >= 0"),
    (
        "replicas: 3",
        "replicas: 2000000000",
        6,
        "spec.replicas = 2000000000 is more than 150000 pods, svcsim's limit",
    ),
    ("replicas: 3", "replicas: 3000000000", 6, "spec.replicas = 3000000000 must be <= 2147483647"),
    ("replicas: 3", "replicas: yes", 6, "spec.replicas = true must be an integer"),
    ("replicas: 3", "replicas: 2.5", 6, "spec.replicas = 2.5 must be an integer"),
    (
        "replicas: 3",
        "minReadySeconds: 600",
        5,
        "spec.progressDeadlineSeconds = 600 must be greater than minReady",
    ),
    (
        "replicas: 3",
        "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
        6,
        'spec.strategy.rollingUpdate.maxUnavailable = "0%" may not be 0 when maxSurge is 0',
    ),
    (
        "replicas: 3",
        "strategy: {rollingUpdate: {maxSurge: 25 %}}",
        6,
        'maxSurge = "25 %" must be a whole number',
    ),
    ("replicas: 3", "strategy: {rollingUpdate: {maxSurge: -1}}", 6, "maxSurge = -1 must be >= 0"),
    ("replicas: 3", "strategy: {rollingUpdate: {maxUnavailable: 101%}}", 6, "must not exceed 100%"),
    (
        "replicas: 3",
        "strategy: {type: recreate}",
        6,
        "must be RollingUpdate or Recreate; did you mean Recreate?",
    ),
    ("replicas: 3", "strategy: {type: Recreate, rollingUpdate: {}}", 6, "takes no rollingUpdate"),
    (
        "matchLabels: {app: web}",
        "matchLabels: {app: db}",
        9,
        "must match spec.selector, which asks for app=db",
    ),
    ("matchLabels: {app: web}", "app: web", 7, "spec.selector = {} must name at least one label"),
    (
        "matchLabels: {app: web}",
        "matchExpressions: [{key: app, operator: in, values: [web]}]",
        7,
        'matchExpressions[0].operator = "in" must be In or NotIn or Exists or DoesNotExist; did you mean In?',
    ),
    (
        "matchLabels: {app: web}",
        "matchExpressions: [{key: app, operator: In}]",
        7,
        "values is missing: operator In",
    ),
    (
        "matchLabels: {app: web}",
        "matchExpressions: [{key: app, operator: Exists, values: [a]}]",
        7,
        "must be absent with operator Exists",
    ),
    (
        "matchLabels: {app: web}",
        "matchExpressions: [{key: 'a b', operator: Exists}]",
        7,
        "must be a label's name",
    ),
    ("labels: {app: web}", "labels: {app: 1}", 9, 'labels.app = 1 must be text: write "1" in quotes'),
    ("labels: {app: web}", "labels: {app: on}", 9, 'labels.app = true must be text: write "true" in quotes'),
    ("labels: {app: web}", "labels: {app: [a]}", 9, 'labels.app = ["a"] must be text'),
    ("labels: {app: web}", "labels: [app]", 9, 'labels = ["app"] must be a mapping'),
    ("labels: {app: web}", "labels: {app: web, b: a/b}", 9, 'labels.b = "a/b" must be a label value'),
    ("name: nginx", "name: Nginx", 12, 'containers[0].name = "Nginx" must be a DNS-1123 label'),
    ("name: nginx", "nmae: nginx", 12, "containers[0].name is missing: Kubernetes requires it"),
    (
        "containerPort: 8080",
        "containerPort: 99999",
        13,
        "ports[0].containerPort = 99999 must be a port, 1-65535",
    ),
    ("containerPort: 8080", "hostPort: 8080", 13, "ports[0].containerPort is missing"),
    ("name: http", "name: -http", 13, 'ports[0].name = "-http" must be a port name'),
    (
        "name: http}",
        "name: http}, {name: http, containerPort: 1}",
        13,
        'ports[1].name = "http" is used twice',
    ),
    ("name: http", "protocol: tcp", 13, 'protocol = "tcp" must be TCP or UDP or SCTP; did you mean TCP?'),
    (
        "- name: nginx",
        "- {name: nginx}\n      - name: nginx",
        13,
        'containers[1].name = "nginx" is used twice',
    ),
    ("    spec:\n", "    spec:\n      restartPolicy: Never\n", 11, 'restartPolicy = "Never" must be Always'),
    (
        "    spec:\n",
        "    spec:\n      terminationGracePeriodSeconds: -1\n",
        11,
        "GracePeriodSeconds = -1 must be >= 0",
    ),
    (
        "metadata: {labels: {app: web}}",
        "metadata: {labels: {app: web}, annotations: {controller.kubernetes.io/pod-deletion-cost: '+5'}}",
        9,
        '[controller.kubernetes.io/pod-deletion-cost] = "+5" must be a 32-bit integer',
    ),
    ("name: web\n", "name: Web\n", 4, None),
    (
        "apps/v1",
        "extensions/v1beta1",
        1,
        'apiVersion = "extensions/v1beta1" has no Deployment in any supported',
    ),
]


def refusal(text: str, name: str = "web.yaml") -> str:
    with pytest.raises(ManifestError) as caught:
        parse_manifests(text, name)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("old", "new", "line", "rule"), IN_A_DEPLOYMENT)
def test_in_a_deployment(deployment: str, old: str, new: str, line: int, rule: str | None) -> None:
    message = refusal(deployment.replace(old, new, 1))
    if rule is None:
        assert message.startswith(
            f'web.yaml:{line}: deployment/Web: metadata.name = "Web" must be a DNS-1123 name'
        )
    else:
        assert re.match(WEB.format(line=line), message), message
        assert rule in message


IN_A_CONTAINER = [
    (
        "readinessProbe: {periodSeconds: 5}",
        'readinessProbe = "nothing" must have exactly one of exec, httpGet',
    ),
    ("readinessProbe: {exec: {}, tcpSocket: {port: 1}}", '"exec and tcpSocket" must have exactly one'),
    ("readinessProbe: {exec: {}, periodSeconds: -1}", "periodSeconds = -1 must be >= 0"),
    ("readinessProbe: {tcpSocket: {port: 0}}", "tcpSocket.port = 0 must be a port, 1-65535"),
    ("readinessProbe: {exec: {}, terminationGracePeriodSeconds: 5}", "must not be set for readiness probes"),
    ("livenessProbe: {exec: {}, successThreshold: 2}", "successThreshold = 2 must be 1 for a liveness probe"),
    ("startupProbe: {exec: {}, successThreshold: 2}", "successThreshold = 2 must be 1 for a startup probe"),
    (
        "lifecycle: {preStop: {}}",
        'lifecycle.preStop = "nothing" must have exactly one of exec, httpGet, sleep',
    ),
    (
        "lifecycle: {preStop: {sleep: {seconds: 31}}}",
        "preStop.sleep.seconds = 31 must not exceed terminationGracePeriodSeconds, which is 30",
    ),
    ("resources: {limits: {cpu: 100mm}}", 'resources.limits.cpu = "100mm" is not a quantity'),
    ("resources: {requests: {cpu: -1}}", 'resources.requests.cpu = "-1" must be >= 0'),
    ("env: [{name: A, value: 5}]", 'env[0].value = 5 must be text: write "5" in quotes'),
]


@pytest.mark.parametrize(("field", "rule"), IN_A_CONTAINER)
def test_in_a_container(deployment: str, field: str, rule: str) -> None:
    message = refusal(deployment.replace("name: nginx\n", f"name: nginx\n        {field}\n"))
    assert message.startswith("web.yaml:13: deployment/web: spec.template.spec.containers[0].")
    assert rule in message


IN_A_SERVICE = [
    ("port: 80,", "port: 0,", 7, "spec.ports[0].port = 0 must be a port, 1-65535"),
    ("port: 80,", 'port: "80",', 7, 'spec.ports[0].port = "80" must be an integer'),
    ("port: 80,", "port: 80, nodePort: 30000,", 7, "nodePort = 30000 may not be used when type is ClusterIP"),
    ("targetPort: http", 'targetPort: "8080"', 7, "a port number is written without quotes: 8080"),
    ("targetPort: http", "targetPort: 70000", 7, "targetPort = 70000 must be a port"),
    (
        "}]",
        "}, {port: 81, name: b}]",
        7,
        "spec.ports[0].name is missing: a Service with several ports names each",
    ),
    (
        "}]",
        ", name: a}, {port: 80, name: b}]",
        7,
        "spec.ports[1].port = 80 is used twice with TCP in this Service",
    ),
    ("}]", ", name: a}, {port: 81, name: a}]", 7, 'spec.ports[1].name = "a" is used twice in this Service'),
    ("[{port: 80, targetPort: http}]", "[]", 7, "spec.ports is missing: a Service needs at least one port"),
    ("{app: web}", "{matchLabels: {app: web}}", 6, "must be text: a Service selects by plain labels"),
    (
        "spec:\n",
        "spec:\n  clusterIP: 10.0.0\n",
        6,
        'clusterIP = "10.0.0" must be empty, "None" or an IP address',
    ),
    ("spec:\n", "spec:\n  type: nodeport\n", 6, "did you mean NodePort?"),
    (
        "spec:\n",
        "spec:\n  externalTrafficPolicy: Local\n",
        6,
        "may only be set for NodePort and LoadBalancer",
    ),
    (
        "spec:\n",
        "spec:\n  sessionAffinity: ClientIp\n",
        6,
        "must be None or ClientIP; did you mean ClientIP?",
    ),
    (
        "spec:\n",
        "spec:\n  internalTrafficPolicy: local\n",
        6,
        "must be Cluster or Local; did you mean Local?",
    ),
    ("spec:\n", "spec:\n  trafficDistribution: PreferNear\n", 6, "must be PreferClose or PreferSameZone or"),
    ("spec:\n", "spec:\n  type: ExternalName\n", 5, "spec.externalName is missing"),
    (
        "spec:\n",
        "spec:\n  type: ExternalName\n  clusterIP: 10.0.0.1\n",
        7,
        "may not be set when type is ExternalName",
    ),
    ("spec:\n", "spec:\n  type: NodePort\n  clusterIP: None\n", 7, "may not be None when type is NodePort"),
    (
        "spec:\n",
        "spec:\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}\n",
        7,
        "timeoutSeconds = 0 must be 1-86400 seconds",
    ),
    (
        "spec:\n",
        "spec:\n  sessionAffinityConfig: {clientIP: {}}\n",
        6,
        "must be absent when sessionAffinity is None",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "rule"), IN_A_SERVICE)
def test_in_a_service(service: str, old: str, new: str, line: int, rule: str) -> None:
    message = refusal(service.replace(old, new, 1))
    assert message.startswith(f"web.yaml:{line}: service/web: spec."), message
    assert rule in message


@pytest.mark.parametrize("port", [1, 29999, 32768])
def test_node_ports_outside_the_range(service: str, port: int) -> None:
    text = service.replace("spec:\n", "spec:\n  type: NodePort\n").replace(
        "port: 80", f"port: 80, nodePort: {port}"
    )
    assert refusal(text).endswith(f"nodePort = {port} must be in the node port range, 30000-32767")


def test_two_services_ask_for_one_node_port(service: str) -> None:
    text = service.replace("spec:\n", "spec:\n  type: NodePort\n").replace(
        "port: 80", "port: 80, nodePort: 30001"
    )
    both = text + "---\n" + text.replace("name: web", "name: shop")
    assert refusal(both) == (
        "web.yaml:17: service/shop: spec.ports[0].nodePort = 30001 is already taken by service/web; "
        "a node port belongs to one Service port"
    )


def test_two_services_ask_for_one_address(service: str) -> None:
    text = service.replace("spec:\n", "spec:\n  clusterIP: 10.96.7.7\n")
    both = text + "---\n" + text.replace("name: web", "name: shop")
    assert refusal(both).endswith(
        'service/shop: spec.clusterIP = "10.96.7.7" is already taken by service/web'
    )


def test_all_workloads_together_have_a_limit(deployment: str) -> None:
    text = deployment.replace("replicas: 3", "replicas: 100000")
    both = text + "---\n" + text.replace("name: web\n", "name: shop\n")
    assert refusal(both) == "the manifests declare 200000 pods; svcsim's limit is 150000"


def test_the_line_of_an_item_in_a_list(service: str) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {ports: [{port: 1}]}\n"
        "- apiVersion: v1\n  kind: Service\n  metadata: {name: b}\n  spec:\n    ports:\n    - port: 0\n"
    )
    assert refusal(text).startswith("web.yaml:13: service/b: spec.ports[0].port = 0")


def test_the_line_of_a_field_in_json() -> None:
    text = '{"apiVersion": "v1", "kind": "Service",\n'
    text += '"metadata": {"name": "a"},\n"spec": {\n"ports": [\n{"port": 0}]}}'
    assert refusal(text, "a.json").startswith("a.json:5: service/a: spec.ports[0].port = 0")
