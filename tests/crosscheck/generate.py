"""Scenarios from a seed: every path, resolver, sigterm behaviour, event kind; some on a grid of ties."""

from __future__ import annotations

import random
from typing import Any

__all__ = ["on_grid", "random_scenario"]


def on_grid(seed: int) -> bool:
    """A quarter of the scenarios have constant times, multiples of 100 ms, so that instants tie."""
    return seed % 4 == 0


class _Maker:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"scenario {seed}")
        self.grid = on_grid(seed)

    def pick(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    def chance(self, p: float) -> bool:
        return self.dice.random() < p

    def law(self, *milliseconds: int) -> dict:
        value = self.dice.choice(milliseconds)
        if self.grid:
            return {"constant": f"{(value + 99) // 100 * 100 if value > 0 else 0}ms"}
        return self.pick(
            {"constant": f"{value}ms"},
            {"exponential": {"mean": f"{max(value, 1)}ms"}},
            {"uniform": {"low": "0ms", "high": f"{2 * max(value, 1)}ms"}},
            {"lognormal": {"median": f"{max(value, 1)}ms", "p99": f"{4 * max(value, 1)}ms"}},
        )

    def probe(self, path: str) -> dict:
        probe: dict[str, Any] = {
            "httpGet": {"path": path, "port": 8080},
            "periodSeconds": self.pick(1, 1, 2, 3),
        }
        if self.chance(0.3):
            probe["initialDelaySeconds"] = self.pick(1, 2)
        probe["failureThreshold"] = self.pick(1, 2, 3)
        return probe

    def container(self, name: str, port: int) -> dict:
        spec: dict[str, Any] = {
            "name": name,
            "image": "i",
            "ports": [{"containerPort": port, "name": f"{name}-p"}],
            "resources": {"requests": {"cpu": "50m"}},
        }
        if self.chance(0.7):
            spec["readinessProbe"] = self.probe("/ready")
            if self.chance(0.2):
                spec["readinessProbe"]["successThreshold"] = 2
        if self.chance(0.15):
            spec["livenessProbe"] = self.probe("/live")
        if self.chance(0.15):
            spec["startupProbe"] = {**self.probe("/start"), "failureThreshold": self.pick(2, 30)}
        if self.chance(0.3):
            seconds = self.pick(1, 2, 4)
            hook = self.pick({"sleep": {"seconds": 1}}, {"exec": {"command": ["sleep", str(seconds)]}})
            spec["lifecycle"] = {"preStop": hook}
        return spec

    def template(self, labels: dict) -> dict:
        containers = [self.container("app", 8080)]
        if self.chance(0.25):
            containers.append(self.container("side", 9090))
        spec: dict[str, Any] = {
            "terminationGracePeriodSeconds": self.pick(1, 2, 3, 10),
            "containers": containers,
        }
        if self.chance(0.3):
            spec["tolerations"] = [
                {
                    "key": "node.kubernetes.io/unreachable",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": self.pick(0, 1, 3),
                }
            ]
        if self.chance(0.1):
            spec["readinessGates"] = [{"conditionType": "target-health"}]
        return {"metadata": {"labels": labels}, "spec": spec}

    def workload(self, name: str) -> tuple[dict, str]:
        labels = {"app": name}
        kind = self.pick(
            "Deployment",
            "Deployment",
            "Deployment",
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
            "DaemonSet",
        )
        spec: dict[str, Any] = {
            "replicas": self.pick(1, 2, 3, 4),
            "selector": labels if kind == "ReplicationController" else {"matchLabels": labels},
            "template": self.template(labels),
        }
        if self.chance(0.2):
            spec["minReadySeconds"] = self.pick(1, 3)
        if kind == "StatefulSet":
            spec["podManagementPolicy"] = self.pick("OrderedReady", "Parallel")
        if kind == "DaemonSet":
            del spec["replicas"]
            if self.chance(0.3):
                spec["updateStrategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        if kind == "Deployment":
            if self.chance(0.3):
                spec["strategy"] = {"type": "Recreate"}
            elif self.chance(0.5):
                surge, down = self.pick((1, 0), (0, 1), ("100%", 0), ("50%", "50%"), (2, 1))
                spec["strategy"] = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": down}}
        version = "v1" if kind == "ReplicationController" else "apps/v1"
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        return document, f"{kind.lower()}/{name}"


def _serving(dice: random.Random, manifests: list[dict], workloads: dict[str, dict]) -> None:
    """Servers that share their cores or are slow at first, in a seventh of the scenarios."""
    if dice.random() >= 0.15:
        return
    for key, behaviour in workloads.items():
        if dice.random() < 0.7:
            behaviour["discipline"] = "processor-sharing"
            behaviour.setdefault("concurrency", dice.choice([1, 1, 2]))
        if dice.random() < 0.5:
            behaviour["concurrency"] = "from-limits"
            for one in manifests:
                if key == f"{one['kind'].lower()}/{one['metadata']['name']}":
                    for container in one["spec"].get("template", one)["spec"]["containers"]:
                        container["resources"]["limits"] = {"cpu": dice.choice(["300m", "1", "1500m"])}
        if dice.random() < 0.7:
            behaviour["warmUp"] = {
                "length": dice.choice(["300ms", "2s", "20s"]),
                "slowdown": dice.choice([1.5, 3, 20]),
                "shape": dice.choice(["step", "linear"]),
            }
            if dice.random() < 0.3:
                behaviour["age"] = "1s"


def _autoscaler(m: _Maker, name: str, kind: str) -> dict:
    """Wants more or fewer pods within some seconds of a run that is short for it."""
    target: dict[str, Any] = {"type": "Utilization", "averageUtilization": m.pick(10, 60)}
    if m.chance(0.3):
        target = {"type": "AverageValue", "averageValue": m.pick("20m", "200m")}
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
        "minReplicas": m.pick(1, 2, 4),
        "maxReplicas": m.pick(4, 6),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    if m.chance(0.5):
        spec["behavior"] = {
            "scaleDown": {"stabilizationWindowSeconds": m.pick(0, 5)},
            "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]},
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": spec,
    }


def _node_event(m: _Maker, event: dict[str, Any]) -> dict:
    """A node is lost or comes back, or a controller stands still."""
    kind = m.pick("fail", "partition", "partition", "recover", "upgrade", "pauseController")
    match kind:
        case "partition" if m.chance(0.6):
            return {**event, "partition": "node-1", "for": m.pick("500ms", "2s", "4s")}
        case "upgrade":
            return {**event, "upgrade": m.pick("all", "node-1"), "for": m.pick("1s", "3s")}
        case "pauseController":
            paused = m.pick(
                "endpointslice", "replicaset", "kube-controller-manager", "kube-apiserver", "scheduler"
            )
            return {**event, "pauseController": paused, "for": m.pick("1s", "3s")}
        case _:
            return {**event, kind: "node-1"}


def _zones(m: _Maker) -> list[dict]:
    """Nodes of two zones, as many names as plain ones have."""
    return [{"name": f"node-{k + 1}", "zone": "ab"[k % 2], "cpu": 4} for k in range(m.pick(2, 4))]


def _service(m: _Maker, name: str, target: Any) -> dict:
    spec: dict[str, Any] = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": target}]}
    if m.chance(0.15):
        spec["publishNotReadyAddresses"] = True
    metadata: dict[str, Any] = {"name": name}
    if m.chance(0.2):
        spec["trafficDistribution"] = m.pick("PreferClose", "PreferSameZone", "PreferSameNode")
    elif m.chance(0.2):
        metadata["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _event(m: _Maker, at: float, key: str, clients: list[dict]) -> dict:
    kinds = ["scale", "delete", "crash", "kill", "unready", "rate", "node"]
    if key.startswith(("deployment/", "statefulset/", "daemonset/")):
        kinds += ["rollout"] * 4
    if key.startswith("daemonset/"):
        kinds.remove("scale")
    if key.startswith("pod/"):
        kinds = ["delete", "crash", "kill", "unready", "rate", "node"]
    kind = m.dice.choice(kinds)
    event: dict[str, Any] = {"at": f"{at}s"}
    match kind:
        case "node" if m.chance(0.6):
            return _node_event(m, event)
        case "node":
            return {
                **event,
                m.pick("drain", "drain", "cordon", "uncordon", "stopProxy", "startProxy"): "node-1",
            }
        case "rate":
            return {**event, "rate": m.dice.choice(clients)["name"], "value": m.pick("2/s", "30/s")}
        case "scale":
            return {**event, "scale": key, "replicas": m.pick(0, 0, 1, 2, 5)}
        case "unready":
            return {**event, "unready": key, "count": 1, "for": m.pick("1s", "4s")}
        case "rollout":
            return {**event, "rollout": key}
        case _ if key.startswith("pod/"):
            return {**event, kind: key}
        case _:
            return {**event, kind: key, "count": m.pick(1, 1, 2, 3)}


def _client(m: _Maker, k: int, to: str, service: str | None) -> dict:
    via = m.pick("loopback", "pod-ip", "pod-ip", "pod-ip", "cluster-ip", "cluster-ip", "cluster-ip")
    if via == "cluster-ip" and service is None:
        via = "pod-ip"
    target = service if service is not None and (via == "cluster-ip" or m.chance(0.7)) else to
    client: dict[str, Any] = {
        "name": f"c{k}",
        "to": target,
        "via": via,
        "rate": m.pick("5/s", "20/s", "40/s"),
    }
    if via == "pod-ip":
        client["resolve"] = m.pick("once", "on-failure", "watch", {"every": m.pick("500ms", "2s", "5s")})
    if via != "loopback":
        origin = m.pick(None, None, None, "node-1", "outside" if m.chance(0.5) else None)
        if origin is not None:
            client["from"] = origin
        if m.chance(0.5):
            client["sources"] = m.pick(1, 2, 5)
    if client.get("from") != "outside" and m.chance(0.15):
        client["hostNetwork"] = True
    if m.grid or m.chance(0.2):
        client["arrivals"] = "constant"
    client["timeout"] = m.pick(
        {"connect": "1s", "request": "2s"},
        {"connect": "3s", "request": "5s"},
        {"connect": "500ms", "request": "1s"},
        {"connect": "2s", "request": "none"},
        {"connect": "none", "request": "4s"},
    )
    return client


def _of_pods(cluster: dict) -> bool:
    return cluster.get("loadBalancer", {}).get("targets") == "pods"


def _again(dice: random.Random, manifests: list[dict], clients: list[dict]) -> None:
    """Ingresses, retries, choices, affinity and ejections in half of the scenarios."""
    if dice.random() < 0.5:
        return
    for one in manifests:
        if one["kind"] == "Service" and dice.random() < 0.4:
            one["spec"]["sessionAffinity"] = "ClientIP"
            seconds = dice.choice([1, 3, 10800])
            one["spec"]["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": seconds}}
    for client in clients:
        if client["via"] == "cluster-ip" and dice.random() < 0.3:
            client["via"] = "ingress"
            for key in ("from", "hostNetwork", "sources"):
                client.pop(key, None)
        if client["via"] == "ingress" or client.get("resolve") == "watch":
            client["balance"] = dice.choice(["random", "round-robin", "least-request", "two-choices"])
            if client["balance"] == "two-choices" and dice.random() < 0.5:
                client["balance"] = "peak-ewma"
            if dice.random() < 0.4:
                client["eject"] = {"after": dice.choice([1, 2]), "for": dice.choice(["1s", "5s"])}
        if client["via"] != "loopback" and dice.random() < 0.4:
            idle = {"idle": dice.choice(["none", "1s"]), "maxIdle": dice.choice([1, 10])}
            way = dice.choice(["keepAlive", "channel"])
            client[way] = {
                **(idle if way == "keepAlive" else {}),
                "hears": dice.choice(["0s", "100ms"]),
                **dice.choice([{}, {"maxAge": "2s", "ageJitter": dice.choice(["0%", "50%"])}]),
                **dice.choice([{}, {"maxRequests": 5}]),
            }
        if client["via"] == "loopback" or dice.random() < 0.3:
            continue
        client["retry"] = dice.choice([0, 1, 3])
        if client["retry"] and dice.random() < 0.7:
            outcomes = [
                "refused", "unreachable", "connect_timeout", "dns_failure", "reset", "eof",
                "request_timeout", "rejected", "misdelivered",
            ]  # fmt: skip
            client["retry"] = {
                "times": dice.choice([1, 2, 5]),
                "outcomes": dice.sample(outcomes, dice.choice([1, 4, 9])),
                "backoff": dice.choice(["0s", "100ms", "700ms"]),
                "maxBackoff": dice.choice(["700ms", "2s"]),
                "jitter": dice.random() < 0.5,
                "excludeTried": dice.random() < 0.5,
            }
            if dice.random() < 0.4:
                client["retry"]["budget"] = {
                    "share": dice.choice(["0%", "20%"]),
                    "burst": dice.choice([0, 2]),
                }


def _ways(dice: random.Random, grid: bool, manifests: list[dict], clients: list[dict]) -> dict:
    """Other ways in for half of the scenarios: their Services and clients; the cluster's keys for them."""
    if dice.random() < 0.5:
        return {}
    services = [one for one in manifests if one["kind"] == "Service"]
    for one in services:
        name, spec = one["metadata"]["name"], one["spec"]
        headless = {**spec, "clusterIP": "None"}
        headless.pop("trafficDistribution", None)
        manifests.append({**one, "metadata": {"name": f"{name}-headless"}, "spec": headless})
        alias = {"type": "ExternalName", "externalName": f"{name}.default.svc.cluster.local"}
        manifests.append({**one, "metadata": {"name": f"{name}-alias"}, "spec": alias})
        spec["type"] = dice.choice(["NodePort", "LoadBalancer", "LoadBalancer", "LoadBalancer"])
        for policy in ("externalTrafficPolicy", "internalTrafficPolicy"):
            if dice.random() < 0.5:
                spec[policy] = "Local"
    types = {one["metadata"]["name"]: one["spec"]["type"] for one in services}
    for client in clients:
        kind, _, name = client["to"].partition("/")
        if kind != "service" or dice.random() < 0.3:
            continue
        if client["via"] == "pod-ip" and client["resolve"] != "watch":
            client.update(via="headless", to=f"service/{name}-headless")
            client["pick"] = dice.choice(["first", "random", "rotate"])
        elif client["via"] == "cluster-ip":
            client["via"] = dice.choice(["node-port", "load-balancer", "load-balancer", "external-name"])
            if client["via"] == "load-balancer" and types[name] != "LoadBalancer":
                client["via"] = "node-port"
            if client["via"] == "external-name":
                client["to"] = f"service/{name}-alias"
            elif dice.random() < 0.7:
                client["from"] = "outside"
                client.pop("hostNetwork", None)
            if client["via"] == "node-port":
                inside = client.get("from", "outside") != "outside"
                client["entry"] = dice.choice(["any", "node-1", "own" if inside else "any"])
            client.pop("hostNetwork", None)
    return {
        "loadBalancer": {
            "preset": dice.choice(["aws-clb", "aws-nlb", "azure", "gce"]),
            "targets": dice.choice(["nodes", "nodes", "pods"]),
            "interval": dice.choice(["500ms", "1s", "2s"]),
            "unhealthyAfter": dice.choice([1, 2, 3]),
            "healthyAfter": dice.choice([1, 2]),
        },
        "dns": {"ttl": dice.choice(["1s", "3s"]), "cache": dice.choice(["0s", "0s", "2s"])},
    }


def _reselections(dice: random.Random, document: dict) -> None:
    """In a tenth of the scenarios Services come to select other pods, or none, and back."""
    if dice.random() > 0.1:
        return
    named = [one for one in document["manifests"] if one["kind"] == "Service" and "selector" in one["spec"]]
    inside = {client["to"] for client in document["clients"] if client["via"] == "loopback"}
    named = [one for one in named if f"service/{one['metadata']['name']}" not in inside]
    for one in named:
        labels = one["spec"]["selector"]
        for _ in range(dice.choice([1, 2, 3])):
            app = dice.choice(["w0", "w1", labels["app"], "nobody"])
            event = {"selector": f"service/{one['metadata']['name']}", "labels": {"app": app}}
            document["events"].append({"at": f"{round(dice.uniform(0.5, 7.5), 1)}s", **event})


def _removals(dice: random.Random, document: dict) -> None:
    """In a tenth of the scenarios a node is taken away."""
    if dice.random() < 0.1:
        wait = dice.choice(["0s", "1s", "3s"])
        event = {"at": f"{round(dice.uniform(0.5, 6), 1)}s", "removeNode": "node-1", "wait": wait}
        document["events"].append(event)


def _by_nodes(dice: random.Random, proxy: dict, manifests: list[dict], clients: list[dict]) -> None:
    """Nodes that choose by a scheduler, in an eighth of the scenarios."""
    if dice.random() < 0.875:
        return
    services = {f"service/{one['metadata']['name']}" for one in manifests if one["kind"] == "Service"}
    for client in clients:
        if client["to"] in services and client["via"] == "pod-ip" and "balance" not in client:
            client["via"] = "cluster-ip"
            client.pop("resolve", None)
    if dice.random() < 0.2:
        proxy.update(mode="cilium", lbAlgorithm="maglev")
        return
    proxy.update(mode="ipvs", ipvsScheduler=dice.choice(["rr", "lc", "sh", "sh", "mh", "wrr", "wlc"]))
    if dice.random() < 0.5:
        del proxy["minSyncPeriod"]


def _datagrams(dice: random.Random, scenario: dict) -> None:
    """UDP clients in a tenth of the scenarios: a port of that protocol, sockets, short-lived entries."""
    if dice.random() >= 0.1:
        return
    cluster = scenario["cluster"]
    proxy = cluster["kubeProxy"]
    if proxy["mode"] in ("cilium", "ipvs"):
        proxy["mode"] = "iptables"
        for key in ("ipvsScheduler", "lbAlgorithm"):
            proxy.pop(key, None)
    cluster["conntrack"] = {
        "udp": dice.choice(["300ms", "1s", "30s"]),
        "udpStream": dice.choice(["1s", "3s", "120s"]),
        "cleanup": dice.random() < 0.7,
    }
    for one in scenario["manifests"]:
        if one["kind"] == "Service" and "ports" in one["spec"]:
            number = one["spec"]["ports"][0]["port"]
            target = one["spec"]["ports"][0].get("targetPort", number)
            one["spec"]["ports"] = [
                {"name": "tcp", "port": number, "targetPort": target},
                {"name": "udp", "port": 53, "targetPort": 5353, "protocol": "UDP"},
            ]
        template = one["spec"].get("template", one) if one["kind"] != "Service" else {}
        for container in template.get("spec", {}).get("containers", [])[:1]:
            container["ports"].append({"containerPort": 5353, "protocol": "UDP"})
    ways = ("pod-ip", "headless", "cluster-ip", "node-port", "external-name")
    for client in scenario["clients"]:
        if client["via"] not in ways or not client["to"].startswith("service/"):
            continue
        if client.get("resolve") == "watch" or dice.random() < 0.2:
            continue
        client.update(protocol="udp", port="udp", sockets=dice.choice(["one", "one", "per-request"]))
        client["timeout"] = dice.choice(["500ms", "1s", "3s"])
        for key in ("keepAlive", "channel"):
            client.pop(key, None)
    if dice.random() < 0.5:
        cluster["conntrack"]["max"] = dice.choice([20, 100, 500])
    for client in scenario["clients"]:
        to_one = client["via"] in ("cluster-ip", "node-port", "load-balancer", "external-name")
        fresh = "protocol" not in client and "keepAlive" not in client and "channel" not in client
        if to_one and fresh and dice.random() < 0.5:
            client["ports"] = dice.choice([1, 5, 50])


def _rest(dice: random.Random, scenario: dict) -> None:
    """Keys that are seldom written, in a tenth of the scenarios."""
    if dice.random() >= 0.1:
        return
    cluster, workloads, clients = (scenario[key] for key in ("cluster", "workloads", "clients"))
    cluster["kubeProxy"]["syncPeriod"] = dice.choice(["5s", "30s"])
    if cluster["kubeProxy"]["mode"] == "cilium":
        cluster["kubeProxy"].setdefault("lbAlgorithm", "random")
    cluster["otherServices"]["endpoints"] = dice.choice([0, 3])
    cluster["vanishedIP"].setdefault("reuse", "never")
    cluster["lag"]["pull"] = {"constant": dice.choice(["0ms", "200ms"])}
    if "loadBalancer" in cluster:
        cluster["loadBalancer"]["check"] = dice.choice(["healthz", "node-port"])
    if isinstance(cluster["nodes"], list):
        cluster["nodes"][-1].update(
            dice.choice([{"proxySlowdown": 3}, {"pods": 2}, {"unschedulable": True}, {}])
        )
    for key, behaviour in workloads.items():
        behaviour["age"] = dice.choice(["10s", "1h"])
        behaviour.setdefault("discipline", "fifo")
        if "cpu" in behaviour:
            behaviour["cpu"]["startup"] = dice.choice(["100m", 1])
        hooked = _template_of(scenario["manifests"], key)["spec"]["containers"][0]
        if dice.random() < 0.3:
            hooked["lifecycle"] = {"preStop": {"httpGet": {"path": "/bye", "port": 8080}}}
            behaviour["preStop"] = dice.choice(["500ms", "2s"])
    for client in clients:
        if client["to"].startswith("service/") and dice.random() < 0.5:
            client["port"] = 80
        client.setdefault("arrivals", "poisson")
        client.setdefault("protocol", "tcp")
    for event in scenario["events"]:
        if "rollout" in event and dice.random() < 0.7:
            event["set"] = {"terminationGracePeriodSeconds": dice.choice([2, 5])}
        if dice.random() < 0.3:
            event.update(every="2s", times=2)
    paused = dice.choice(
        ["deployment", "statefulset", "daemonset", "horizontalpodautoscaler", "nodelifecycle"]
    )
    scenario["events"].append({"at": "2s", "pauseController": paused, "for": "3s"})


def _template_of(manifests: list[dict], key: str) -> dict:
    """The pod template of a workload, or the pod itself."""
    kind, _, name = key.partition("/")
    (found,) = (one for one in manifests if one["kind"].lower() == kind and one["metadata"]["name"] == name)
    return found if kind == "pod" else found["spec"]["template"]


def _routes(dice: random.Random, document: dict) -> None:
    """In a tenth of the scenarios ingresses split what they get over Services, by weights that may change."""
    clients = [
        client
        for client in document["clients"]
        if client["to"].startswith("service/") and "loop" not in client
    ]
    names = [
        one["metadata"]["name"]
        for one in document["manifests"]
        if one["kind"] == "Service" and one["spec"].get("type") != "ExternalName"
    ]
    if dice.random() > 0.1 or not clients:
        return
    dice.shuffle(names)
    refs = [{"name": name, "port": 80, "weight": dice.choice([0, 1, 3])} for name in [*names, "nobody"][:3]]
    document["manifests"].append(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "split"},
            "spec": {"rules": [{"backendRefs": refs}]},
        }
    )
    for client in dice.sample(clients, dice.choice([1, len(clients)])):
        client.update(to="httproute/split", via="ingress")
        for key in ("from", "hostNetwork", "sources", "resolve", "pick", "entry", "port"):
            client.pop(key, None)
        client["balance"] = dice.choice(["random", "round-robin", "least-request", "two-choices"])
    for _ in range(dice.choice([0, 1, 2])):
        weights = {dice.choice(refs)["name"]: dice.choice([0, 2, 5])}
        at = f"{round(dice.uniform(0.5, 6), 1)}s"
        document["events"].append({"at": at, "weights": "httproute/split", "backends": weights})


def _names(dice: random.Random, document: dict) -> None:
    """In a fifth of the scenarios look-ups are held back, and caches keep that there is no address."""
    if dice.random() > 0.2:
        return
    for client in document["clients"]:
        if client.get("resolve") == "on-failure":
            client["minResolution"] = dice.choice(["500ms", "3s", "30s"])
    if "dns" in document["cluster"]:
        document["cluster"]["dns"]["negative"] = dice.choice(["0s", "500ms", "4s"])


def random_scenario(seed: int) -> dict:
    """One scenario document with its manifests inside."""
    document = _scenario(seed)
    _rest(random.Random(f"rest {seed}"), document)
    _load(random.Random(f"load {seed}"), on_grid(seed), document)
    _reselections(random.Random(f"reselections {seed}"), document)
    _removals(random.Random(f"removals {seed}"), document)
    _routes(random.Random(f"routes {seed}"), document)
    _names(random.Random(f"names {seed}"), document)
    _datagrams(random.Random(f"datagrams {seed}"), document)
    return document


def _scenario(seed: int) -> dict:
    """What was there from the first."""
    m = _Maker(seed)
    manifests: list[dict] = []
    workloads: dict[str, dict] = {}
    targets: list[tuple[str, str | None]] = []
    for k in range(m.pick(1, 1, 2)):
        name = f"w{k}"
        if m.chance(0.12):
            key = f"pod/{name}"
            manifests.append(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "labels": {"app": name}},
                    "spec": m.template({"app": name})["spec"],
                }
            )
        else:
            document, key = m.workload(name)
            manifests.append(document)
            if document["kind"] in ("Deployment", "StatefulSet") and m.chance(0.25):
                manifests.append(_autoscaler(m, name, document["kind"]))
        if m.chance(0.2):
            manifests.append(
                {
                    "apiVersion": "policy/v1",
                    "kind": "PodDisruptionBudget",
                    "metadata": {"name": name},
                    "spec": {
                        "selector": {"matchLabels": {"app": name}},
                        "maxUnavailable": m.pick(0, 1, "50%"),
                    },
                }
            )
        service = None
        if m.chance(0.9):
            manifests.append(
                _service(m, name, m.pick(8080, 8080, 8080, "app-p", 9999 if m.chance(0.2) else 8080))
            )
            service = f"service/{name}"
        behaviour: dict[str, Any] = {
            "startup": m.law(0, 300, 1000, 2500),
            "serviceTime": m.law(0, 5, 30, 200, 900),
            "onSigterm": m.pick("exit", "exit", "drain", "drain", "ignore", {"lameDuck": m.pick("1s", "3s")}),
        }
        if m.chance(0.3):
            behaviour["probe"] = {"time": m.law(0, 30, 900), "competes": m.chance(0.7)}
        if m.chance(0.3):
            behaviour["cpu"] = {"idle": m.pick("1m", "40m"), "busy": m.pick("100m", 1)}
        if m.chance(0.3):
            behaviour["readinessGate"] = m.law(0, 300, 1000)
        if m.chance(0.6):
            behaviour["concurrency"] = m.pick(1, 1, 2, 3)
            if m.chance(0.6):
                behaviour["queue"] = {"places": m.pick(0, 1, 4), "full": m.pick("reject", "drop")}
        workloads[key] = behaviour
        targets.append((key, service))
    clients = [_client(m, k, *m.dice.choice(targets)) for k in range(m.pick(2, 3, 4))]
    duration = m.pick(8, 12, 16)
    if any(one["kind"] == "HorizontalPodAutoscaler" for one in manifests):
        duration = 60
    at = [round(m.dice.uniform(1, duration - 2), 1) for _ in range(m.pick(1, 2, 3))]
    lag = {
        "load": {"constant": 1} if m.grid else {"lognormal": {"median": 1, "p99": 2.66}},
        "start": m.law(0, 100, 300),
        "teardown": m.law(0, 20, 300),
        "stop": m.law(0, 30, 100),
    }
    if m.grid:
        for stage in (
            "controller",
            "api",
            "scheduler",
            "kubelet",
            "status",
            "endpointSlice",
            "watch",
            "sync",
            "exit",
        ):
            lag[stage] = {"constant": m.pick("0ms", "100ms", "200ms")}
    lag["reconnect"] = m.law(100, 700, 2500)
    vanished = m.pick(
        {"then": "unreachable", "after": m.pick("500ms", "3s")},
        {"then": "blackhole"},
        {"then": "blackhole", "reuse": {"after": m.pick("500ms", "2s")}},
    )
    again = random.Random(f"again {seed}")
    _again(again, manifests, clients)
    if again.random() < 0.3:
        workloads[targets[0][0]]["keepAlive"] = again.choice(["500ms", "2s"])
    balancers = _ways(random.Random(f"ways {seed}"), m.grid, manifests, clients)
    lag["ingress"] = m.law(0, 300, 1500)
    _serving(random.Random(f"serving {seed}"), manifests, workloads)
    if balancers:
        lag["loadBalancer"] = {"constant": "100ms"} if m.grid else {"uniform": {"low": "0s", "high": "2s"}}
    document = {
        "name": f"generated {seed}",
        "manifests": manifests,
        "duration": f"{duration}s",
        "cluster": {
            **balancers,
            "kubernetes": m.pick("1.30", "1.33", "1.34", "1.36"),
            "nodes": m.pick(1, 2, 4, _zones(m)),
            "otherServices": {"count": m.pick(0, 0, 1000)},
            "endpointSlice": {"maxEndpoints": m.pick(1, 3, 100), "batchPeriod": m.pick("0s", "0s", "500ms")},
            "kubeProxy": {
                "mode": m.pick("iptables", "nftables", "cilium"),
                "minSyncPeriod": m.pick("100ms", "1s", "1s", "5s"),
            },
            "podNetwork": "routed"
            if m.pick("overlay", "overlay", "routed") == "routed" or _of_pods(balancers)
            else "overlay",
            "vanishedIP": vanished,
            "kernel": m.pick("5.15", "6.8"),
            "nodeMonitorGracePeriod": m.pick("1s", "2s", "40s"),
            "lag": lag,
        },
        "workloads": workloads,
        "clients": clients,
        "events": [_event(m, t, m.dice.choice(targets)[0], clients) for t in sorted(at)],
    }
    proxy = document["cluster"]["kubeProxy"]
    _by_nodes(random.Random(f"by nodes {seed}"), proxy, manifests, clients)
    return document


def _load(dice: random.Random, grid: bool, scenario: dict[str, Any]) -> None:
    """In an eighth of the scenarios, clients whose requests arrive otherwise than at a rate of their own."""
    if dice.random() > 0.125:
        return
    said = {event["rate"] for event in scenario["events"] if "rate" in event}
    for client in scenario["clients"]:
        if client["name"] in said or dice.random() < 0.2:
            continue
        kind = dice.choice(["loop", "loop", "loop", "curve", "bursts", "trace"])
        if kind == "bursts":
            client["bursts"] = {
                "every": "2s",
                "length": dice.choice(["100ms", "1s"]),
                **dice.choice([{"factor": 3}, {"factor": 0}, {"rate": 60}]),
                **dice.choice([{"random": True}, {"random": False, "first": "700ms"}]),
            }
            continue
        del client["rate"]
        client.pop("arrivals", None)
        if kind == "loop":
            users = dice.choice([1, 7, 20])
            think = ["100ms", "300ms"] if grid else ["50ms", {"exponential": {"mean": "200ms"}}]
            if users == 1:
                think.append("0s")
            client["loop"] = {"users": users, "think": dice.choice(think)}
            if "sources" in client:
                client["sources"] = min(client["sources"], users)
        elif kind == "curve":
            points = [["0s", dice.choice([0, 30])], ["1s", 90], ["2500ms", 10]]
            client["rate"] = {"curve": points, "interpolate": dice.choice(["linear", "step"])}
            if dice.random() < 0.5:
                client["rate"] |= {"period": "4s", "start": "1500ms"}
        else:
            instants = [f"{100 * dice.randrange(0, 20)}ms" for _ in range(dice.choice([1, 30]))]
            instants.sort(key=lambda text: int(text.removesuffix("ms")))
            client["arrivals"] = {"trace": {"instants": instants, "repeat": "2s"}}
