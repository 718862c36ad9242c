"""Rules between fields: each breach with its message, each oddity with its warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from svcsim.distributions import Exponential
from svcsim.errors import ScenarioError
from svcsim.kube import ObjectKey, parse_key
from svcsim.scenario import (
    Bursts,
    Client,
    Cluster,
    Conntrack,
    Curve,
    Eject,
    Loop,
    Rollout,
    Scale,
    Scenario,
    Unready,
    WorkloadBehaviour,
)
from tests.scenario.worlds import complete, read, small

SECOND = 1_000_000_000
WEB = parse_key("deployment/web")


def client(**changes: Any) -> dict[str, Any]:
    base = {"name": "c", "to": "service/web", "via": "cluster-ip", "rate": "200/s"}
    return {**base, **{key.rstrip("_"): value for key, value in changes.items()}}


def with_client(**changes: Any) -> Scenario:
    return read(small(clients=[client(**changes)]))


def with_cluster(**cluster: Any) -> Scenario:
    return read(small(cluster=cluster))


def test_the_complete_document_resolves_to_records() -> None:
    scenario = read(complete())
    assert scenario.cluster.kubernetes_minor == 34
    assert [node.zone for node in scenario.cluster.nodes] == ["a", "b"]
    assert scenario.cluster.kernel == (5, 15)
    assert scenario.cluster.kube_proxy.mode == "nftables"
    assert scenario.cluster.vanished_ip.reuse_after_ns == 30 * SECOND
    web = scenario.behaviour(WEB, "web")
    assert (web.on_sigterm, web.lame_duck_ns, web.pre_stop_ns) == ("lameDuck", 5 * SECOND, 4 * SECOND)
    assert (web.queue, web.queue_full, web.concurrency, web.age_ns) == (128, "drop", 8, 3600 * SECOND)
    pinned, vip, front, dns, outside, resolver, grpc, *others = scenario.clients
    assert (grpc.resolve, grpc.min_resolution_ns) == ("on-failure", 30 * SECOND)
    assert (resolver.protocol, resolver.sockets, resolver.connect_timeout_ns) == ("udp", "one", None)
    assert scenario.cluster.conntrack == Conntrack(
        udp_ns=20 * SECOND, udp_stream_ns=60 * SECOND, cleanup=False, most=1000
    )
    assert outside.ports == 5000
    assert front.retry is not None
    assert (front.retry.times, front.retry.outcomes, front.retry.backoff_ns) == (
        2,
        ("refused", "connect_timeout"),
        10**7,
    )
    assert (front.retry.budget_share, front.retry.budget_burst, front.sources) == (0.2, 5, 2)
    assert (front.balance, front.eject) == ("least-request", Eject(after=3, for_ns=10**10))
    assert (dns.pick, dns.resolve, dns.resolve_every_ns) == ("rotate", "every", 10 * 10**9)
    assert (outside.entry, outside.origin, outside.sources) == ("any", "outside", 2)
    assert (pinned.resolve, pinned.resolve_every_ns, pinned.origin) == ("every", 30 * SECOND, "zone:a")
    assert (pinned.connect_timeout_ns, pinned.request_timeout_ns) == (2 * SECOND, None)
    assert (vip.resolve, vip.connect_timeout_ns, vip.request_timeout_ns) == (None, SECOND, 3 * SECOND)
    assert vip.sources == 2
    daily, spells, recorded, listed, users = others
    hour = 3600 * SECOND
    assert daily.curve == Curve(points=((0, 10.0), (6 * hour, 50.0)), period_ns=24 * hour, start_ns=8 * hour)
    assert daily.bursts == Bursts(every_ns=60 * SECOND, length_ns=5 * SECOND, factor=4, first_ns=10 * SECOND)
    assert spells.bursts == Bursts(every_ns=60 * SECOND, length_ns=5 * SECOND, rate_per_s=40.0, random=True)
    assert recorded.trace is not None and listed.trace is not None
    assert recorded.trace.instants_ns.tolist() == [0, *[SECOND // 2] * 3, *[3 * SECOND] * 2]
    assert (recorded.trace.period_ns, listed.trace.instants_ns.tolist()) == (hour, [10**6, 2 * SECOND])
    assert users.loop == Loop(users=20, think=Exponential(1.0))
    kinds = [(event.at_ns // SECOND, event.kind) for event in scenario.events]
    expected = [(10, "rollout"), (20, "scale"), (30, "rollout"), (30, "delete"), (40, "crash")]
    of_nodes = [(71, "cordon"), (72, "uncordon"), (73, "drain"), (74, "stopProxy"), (75, "startProxy")]
    of_nodes += [(76, "fail"), (77, "recover"), (78, "partition"), (79, "upgrade")]
    of_nodes += [(79, "removeNode"), (80, "pauseController")]
    assert kinds == [
        *expected,
        (50, "kill"),
        (60, "unready"),
        (70, "rate"),
        (70, "selector"),
        (70, "weights"),
        *of_nodes,
    ]


def test_what_is_left_out_has_its_default() -> None:
    scenario = read(small())
    assert scenario.cluster == Cluster()
    assert [node.name for node in scenario.cluster.nodes] == ["node-1", "node-2", "node-3"]
    assert scenario.behaviour(WEB, "web") == WorkloadBehaviour()
    assert scenario.lag["sync"] is None
    assert scenario.lag["endpointSlice"] is not None


# -- clients


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"via": "cluster"}, "must be one of loopback, pod-ip, headless, .* did you mean cluster-ip"),
        ({"to": "service/wbe"}, "is no Service of the manifests; there are: .* did you mean service/web"),
        ({"to": "web"}, "must be KIND/NAME or NAMESPACE/KIND/NAME; did you mean service/web"),
        ({"to": "teapot/web"}, "unknown kind"),
        ({"to": "deployment/web"}, "is no Service of the manifests"),
        ({"to": "deployment/web/web", "via": "pod-ip"}, "names a container"),
        ({"to": "statefulset/db", "via": "pod-ip"}, "is no Service or workload or bare pod"),
        ({"to": "service/elsewhere"}, "is an ExternalName Service, a DNS alias; use via: external-name"),
        (
            {"to": "service/elsewhere", "via": "external-name"},
            "stands for example.org, which leads out of the cluster, where nothing is simulated; accepted: ",
        ),
        ({"via": "external-name"}, "is a ClusterIP Service; via: external-name needs an alias"),
        (
            {"via": "node-port"},
            "does not reach service/web: its type is ClusterIP, not NodePort or LoadBalancer",
        ),
        ({"via": "load-balancer"}, "does not reach service/web: its type is ClusterIP, not LoadBalancer"),
        ({"via": "headless"}, "does not reach service/web: its name stands for a cluster IP"),
        ({"pick": "first"}, "pick = .first. has no meaning with via: cluster-ip; it goes with via: headless"),
        (
            {"to": "service/names", "port": "tcp", "via": "node-port", "entry": "own"},
            "entry = .own. has no meaning from outside",
        ),
        (
            {"to": "service/names", "port": "tcp", "via": "node-port", "entry": "node-9"},
            "must be any, own, a node or a zone",
        ),
        (
            {"balance": "random"},
            "balance = .random. has no meaning with via: cluster-ip; it goes with via: ingress",
        ),
        ({"eject": {"after": 1, "for": "1s"}}, "eject goes with via: ingress, or via: pod-ip"),
        ({"via": "ingress", "from_": "nodes"}, "from = .nodes. has no meaning with via: ingress"),
        (
            {"retry": {"times": 1, "outcomes": ["refsued"]}},
            r"outcomes.0. = .refsued. must be of .* did you mean ref",
        ),
        ({"retry": {"times": 1, "backoff": "2s", "maxBackoff": "1s"}}, "maxBackoff = .1s. must be at least"),
        ({"retry": 21}, "must be"),
        ({"entry": "own"}, "entry = .own. has no meaning with via: cluster-ip; it goes with via: node-port"),
        (
            {"to": "service/web-headless"},
            "clients.0..via = .cluster-ip. does not reach .* headless; use via: headless",
        ),
        ({"port": "htp"}, "is no port of service/web; there are: http, logs; did you mean http"),
        ({"port": 81}, "clients.0..port = 81 is no port of service/web"),
        (
            {"to": "service/names"},
            "is UDP in service/names; say protocol: udp, or take one of its TCP ports: tcp",
        ),
        ({"to": "deployment/web", "via": "pod-ip", "port": "nope"}, "leads nowhere: no TCP port is named"),
        ({"sockets": "one"}, "has no meaning with protocol: tcp; add protocol: udp"),
        ({"protocol": "udp"}, "is TCP in service/web; say protocol: tcp, or take one of its UDP ports: none"),
        ({"protocol": "sctp"}, "clients.0..protocol"),
        ({"ports": 99, "via": "pod-ip"}, "ports = 99 is simulated with via: cluster-ip, node-port, load-bal"),
        ({"ports": 99, "channel": True}, "ports = 99 is simulated with .* without keepAlive, channel and pr"),
        ({"protocol": "udp", "via": "ingress"}, "is not simulated with via: ingress; accepted: pod-ip, hea"),
        ({"protocol": "udp", "via": "pod-ip", "resolve": "watch"}, "is not simulated with resolve: watch"),
        ({"protocol": "udp", "to": "deployment/web", "via": "pod-ip"}, "is no Service; with protocol: udp"),
        ({"protocol": "udp", "keepAlive": True}, "keepAlive has no meaning with protocol: udp"),
        ({"protocol": "udp", "to": "service/names", "timeout": "none"}, "must be limited with protocol: udp"),
        ({"protocol": "udp", "timeout": {"connect": "1s"}}, "connect = .1s. has no meaning with protocol: u"),
        ({"resolve": "once"}, "clients.0..resolve = .once. has no meaning with via: cluster-ip"),
        (
            {"resolve": "watch", "via": "loopback"},
            "clients.0..resolve = .watch. has no meaning with via: loopback",
        ),
        ({"resolve": {"every": "0s"}, "via": "pod-ip"}, "resolve.every = .0s. must be > 0"),
        (
            {"from_": "node-9"},
            "clients.0..from = .node-9. must be nodes, outside, a node or a zone: .* did you mean",
        ),
        ({"from_": "node:x"}, "is no node of the cluster; there are: node-1, node-2, node-3"),
        ({"from_": "zone:x"}, "is no zone of the cluster; there are: none"),
        ({"from_": "outside", "via": "loopback"}, "has no meaning with via: loopback"),
        ({"from_": "outside", "hostNetwork": True}, "hostNetwork = true has no meaning from outside"),
        ({"rate": 0}, "clients.0..rate = 0 must be > 0 and at most 100M/s"),
        ({"rate": "101M/s"}, "clients.0..rate = .101M/s. must be > 0 and at most 100M/s"),
        ({"rate": "quick"}, "clients.0..rate = 'quick' is not a rate"),
        ({"timeout": "0s"}, "clients.0..timeout = .0s. must be > 0"),
        ({"timeout": {"connect": 0}}, "clients.0..timeout.connect = 0 must be > 0"),
        ({"sources": 0}, "must be a whole number from 1 to 100000"),
        ({"sources": 100_001}, "must be a whole number from 1 to 100000"),
        ({"name": " c"}, "must be one line of text, no blanks around it"),
    ],
)
def test_clients_that_cannot_be(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        with_client(**changes)
    assert "\n" not in str(caught.value)
    assert "clients[0]" in str(caught.value)


def test_client_names_are_unique_and_there_is_one() -> None:
    with pytest.raises(ScenarioError, match=r'clients\[1\].name = "c" is taken by clients\[0\]'):
        read(small(clients=[client(), client()]))
    with pytest.raises(ScenarioError, match=r"clients = \[\] must be a list with at least one entry"):
        read(small(clients=[]))


@pytest.mark.parametrize(
    ("written", "origin", "sources"),
    [
        ("nodes", "nodes", 3),
        ("outside", "outside", 1),
        ("n1", "node:n1", 1),
        ("a", "zone:a", 2),
        ("zone:b", "zone:b", 1),
    ],
)
def test_origins_and_their_usual_sources(written: str, origin: str, sources: int) -> None:
    nodes = [{"name": "n1", "zone": "a"}, {"name": "n2", "zone": "a"}, {"name": "n3", "zone": "b"}]
    scenario = read(small(clients=[client(from_=written)], cluster={"nodes": nodes}))
    assert (scenario.clients[0].origin, scenario.clients[0].sources) == (origin, sources)


def test_a_name_that_is_a_node_and_a_zone_needs_its_kind() -> None:
    nodes = [{"name": "x", "zone": "x"}]
    with pytest.raises(ScenarioError, match="is a node and a zone; write node:x or zone:x"):
        read(small(clients=[client(from_="x")], cluster={"nodes": nodes}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to": "service/bare"}, "client c: service/bare selects no pods"),
        ({"from_": "outside", "via": "pod-ip"}, "pod IPs of an overlay are not reachable from outside"),
        ({"from_": "outside"}, "cluster IPs are not reachable from outside"),
        ({"to": "deployment/web", "via": "pod-ip", "port": 81}, "client c: nothing listens at 81/TCP"),
    ],
)
def test_clients_that_are_odd(changes: dict[str, Any], says: str) -> None:
    assert any(says in warning for warning in with_client(**changes).warnings)


def test_timeouts() -> None:
    assert with_client(timeout="none").clients[0].connect_timeout_ns is None
    assert with_client(timeout="none").clients[0].request_timeout_ns is None
    only = with_client(timeout={"connect": "none"}).clients[0]
    assert (only.connect_timeout_ns, only.request_timeout_ns) == (None, 5 * SECOND)


def test_loopback_and_pod_ip_reach_workloads_pods_and_services() -> None:
    for via in ("loopback", "pod-ip"):
        for to in ("service/web", "deploy/web", "pod/solo", "shop/rs/old", "replicaset/old"):
            found = with_client(via=via, to=to).clients[0]
            assert found.resolve == ("once" if via == "pod-ip" else None)
    assert with_client(via="pod-ip", to="rs/old").clients[0].to.namespace == "shop"


def test_a_name_in_several_namespaces_needs_one() -> None:
    document = small(clients=[client(to="service/twin")])
    for namespace in ("a", "b"):
        twin = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "twin", "namespace": namespace}}
        document["manifests"].append({**twin, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}})
    with pytest.raises(
        ScenarioError, match="is in several namespaces; write one of: a/service/twin, b/service/twin"
    ):
        read(document)
    document["clients"] = [client(to="b/service/twin")]
    assert read(document).clients[0].to == ObjectKey(kind="Service", namespace="b", name="twin")


# -- cluster


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        ({"kubernetes": "1.29"}, 'cluster.kubernetes = "1.29" must be a version from 1.30 to 1.36'),
        ({"kubernetes": "1.37"}, "must be a version from 1.30 to 1.36"),
        ({"kubernetes": "latest"}, "must be a version from 1.30 to 1.36"),
        ({"kubernetes": 1.34}, "must be a version in quotes"),
        ({"kernel": 6.1}, "must be a version in quotes"),
        ({"kernel": "six"}, "cluster.kernel = .six. must be a Linux version"),
        ({"nodes": 0}, "cluster.nodes = 0 must be a whole number from 1 to 15000"),
        ({"nodes": 15_001}, "cluster.nodes = 15001 must be"),
        (
            {"nodes": [{"name": "a"}, {"name": "a"}]},
            r"cluster.nodes\[1\].name = .a. is taken by cluster.nodes\[0\]",
        ),
        ({"nodes": [{"name": "a", "unschedulable": True}]}, "every node is unschedulable"),
        ({"nodes": [{"name": "A b"}]}, r"cluster.nodes\[0\].name = .A b. must be a DNS name"),
        ({"nodes": [{"name": "a", "cpu": "much"}]}, r"cluster.nodes\[0\].cpu = 'much' is not a quantity"),
        ({"nodes": "gone.yaml"}, "cluster.nodes: gone.yaml: no such file"),
        ({"kubeProxy": {"mode": "userspace"}}, "is not simulated yet; available: iptables, nftables, ipvs"),
        (
            {"kubeProxy": {"mode": "iptable"}},
            "must be one of iptables, nftables, ipvs, cilium; did you mean iptables",
        ),
        (
            {"kubeProxy": {"minSyncPeriod": "40s"}},
            "minSyncPeriod must be at most cluster.kubeProxy.syncPeriod",
        ),
        ({"kubeProxy": {"syncPeriod": 0}}, "cluster.kubeProxy.syncPeriod = 0 must be > 0"),
        ({"lag": {"endpointslice": "1s"}}, "cluster.lag.endpointslice is not a known key; .* endpointSlice"),
        ({"lag": {"watch": "-1s"}}, "cluster.lag.watch = '-1s' must be >= 0"),
        (
            {"vanishedIP": {"reuse": "soon"}},
            "cluster.vanishedIP.reuse = .soon. must be never or a mapping {after}",
        ),
    ],
)
def test_clusters_that_cannot_be(cluster: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        with_cluster(**cluster)


def test_lag_at_the_top_is_sent_where_it_belongs() -> None:
    with pytest.raises(ScenarioError, match=r"lag is not a known key; .* it belongs to cluster.lag"):
        read(small(lag={"watch": "1s"}))


@pytest.mark.parametrize(("text", "minor"), [("1.30", 30), ("v1.36.2", 36), ("1.33.4-gke.1", 33)])
def test_versions(text: str, minor: int) -> None:
    assert with_cluster(kubernetes=text).cluster.kubernetes_minor == minor


def test_iptables_takes_no_period_of_zero() -> None:
    scenario = with_cluster(kubeProxy={"minSyncPeriod": "0s"})
    assert scenario.cluster.kube_proxy.min_sync_period_ns == SECOND
    assert any("minSyncPeriod = 0s becomes 1s" in warning for warning in scenario.warnings)
    nftables = with_cluster(kubeProxy={"mode": "nftables", "minSyncPeriod": 0})
    assert nftables.cluster.kube_proxy.min_sync_period_ns == 0


NODES = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: cp, labels: {topology.kubernetes.io/zone: a}}
  spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}
  status: {allocatable: {cpu: "4", pods: "110"}, conditions: [{type: Ready, status: "True"}]}
- apiVersion: v1
  kind: Node
  metadata: {name: w1, labels: {topology.kubernetes.io/zone: b}}
  spec: {}
  status: {allocatable: {cpu: 3920m, pods: "29"}, conditions: [{type: Ready, status: "True"}]}
- apiVersion: v1
  kind: Node
  metadata: {name: w2}
  spec: {unschedulable: true}
  status: {conditions: [{type: Ready, status: "False"}]}
"""


def test_nodes_of_a_real_cluster(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(NODES)
    scenario = with_cluster(nodes=str(tmp_path / "nodes.yaml"))
    found = [
        (n.name, n.zone, n.pods_limit, n.unschedulable, n.cpu and float(n.cpu))
        for n in scenario.cluster.nodes
    ]
    assert found == [("cp", "a", 110, True, 4.0), ("w1", "b", 29, False, 3.92), ("w2", None, 110, True, None)]
    assert any("cp has the taint" in warning for warning in scenario.warnings)
    assert any("w2 is not Ready" in warning for warning in scenario.warnings)
    alone = scenario.to_yaml(self_contained=True)
    assert "nodes.yaml" not in alone


PROXY = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"


@pytest.mark.parametrize(
    ("text", "mode", "seconds"),
    [
        (PROXY + 'mode: ""\niptables: {minSyncPeriod: 10s, syncPeriod: 0s}\n', "iptables", 10),
        (
            PROXY + "mode: nftables\nnftables: {minSyncPeriod: 2s}\niptables: {minSyncPeriod: 9s}\n",
            "nftables",
            2,
        ),
        (PROXY + "mode: iptables\niptables: {minSyncPeriod: 0s}\n", "iptables", 1),
    ],
)
def test_kube_proxy_of_a_real_cluster(tmp_path: Path, text: str, mode: str, seconds: int) -> None:
    path = tmp_path / "kp.yaml"
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy}\ndata:\n  config.conf: |\n"
    config_map = head + indented
    for content in (text, config_map):
        path.write_text(content)
        proxy = with_cluster(kubeProxy=str(path)).cluster.kube_proxy
        assert (proxy.mode, proxy.min_sync_period_ns, proxy.sync_period_ns) == (
            mode,
            seconds * SECOND,
            30 * SECOND,
        )


def test_kube_proxy_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "kp.yaml"
    for content, says in (
        ("a: 1\n", "has 0 KubeProxyConfigurations"),
        (PROXY + "mode: userspace\n", "is not simulated yet"),
        (PROXY + "mode: ipvs\nipvs: {scheduler: dh}\n", "ipvsScheduler = .dh. goes by the address called"),
        (PROXY + "mode: 7\n", "cluster.kubeProxy.mode = 7 must be"),
        (PROXY + "iptables: {minSyncPeriod: soon}\n", "minSyncPeriod = 'soon' is not a duration"),
        ("{", "cluster.kubeProxy: .*not YAML"),
    ):
        path.write_text(content)
        with pytest.raises(ScenarioError, match=says):
            with_cluster(kubeProxy=str(path))


# -- workloads


def test_the_most_specific_entry_wins_field_by_field() -> None:
    scenario = read(
        small(
            workloads={
                "deploy/web/web": {"serviceTime": "9ms"},
                "default/deployment/web": {"concurrency": 3},
                "deployment/web": {"concurrency": 2, "startup": "7s"},
            }
        )
    )
    web, logs = (scenario.behaviour(WEB, name) for name in ("web", "logs"))
    assert (web.concurrency, web.startup.mean(), web.service_time.mean()) == (3, 7.0, 0.009)
    assert (logs.concurrency, logs.startup.mean(), logs.service_time.mean()) == (3, 7.0, 0.005)
    assert scenario.behaviour(parse_key("pod/solo"), "solo") == WorkloadBehaviour()


@pytest.mark.parametrize(
    ("workloads", "says"),
    [
        ({"deployment/wbe": {}}, "workloads.deployment/wbe: no workload .* did you mean deployment/web"),
        ({"service/web": {}}, "no workload or bare pod of the manifests is service/web"),
        ({"web": {}}, "workloads.web = 'web' is not KIND/NAME"),
        ({"deployment/web/wbe": {}}, "has no container wbe; there are: logs, web; did you mean web"),
        ({"deployment/web": {}, "deploy/web": {}}, "names the same thing as workloads.deployment/web"),
        ({"pod/solo": {"preStop": "5s"}}, "preStop has no effect: no container has a preStop hook"),
        ({"deployment/web/logs": {"preStop": "5s"}}, "preStop has no effect"),
        ({"deployment/web": {"onSigterm": {"lameDuck": 0}}}, "onSigterm.lameDuck = 0 must be > 0"),
        ({"deployment/web": {"queue": {"full": "drop"}}}, "queue.places is missing"),
        ({"deployment/web": {"concurrency": 0}}, "must be a whole number from 1 to 1000000"),
        (
            {"deployment/web": {"warmUp": {"length": "2h", "slowdown": 2}}},
            'warmUp.length = "2h" must be at most 1h',
        ),
        (
            {"deployment/web": {"warmUp": {"length": "2s", "slowdown": 0.5}}},
            "slowdown = 0.5 must be a number",
        ),
        ({"deployment/web": {"warmUp": {"length": "2s", "slowdown": 1.0001}}}, "at most three decimals"),
        ({"deployment/web": {"warmUp": {"length": "2s"}}}, "warmUp.slowdown is missing"),
        ({"deployment/web": {"discipline": "processor-sharing"}}, "needs concurrency: a number of cores"),
        ({"deployment/web": {"discipline": "lifo"}}, "must be one of fifo, processor-sharing"),
        (
            {"deployment/web": {"discipline": "processor-sharing", "concurrency": 1025}},
            "concurrency = 1025 must be at most 1024 cores",
        ),
        ({"deployment/web": {"concurrency": "from-limits"}}, "needs resources.limits.cpu in the manifest"),
    ],
)
def test_workloads_that_cannot_be(workloads: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        read(small(workloads=workloads))


def test_workloads_that_are_odd() -> None:
    scenario = read(small(workloads={"deployment/web": {"queue": 3}}))
    assert any("queue has no effect without concurrency" in warning for warning in scenario.warnings)
    assert any("does not say how long the preStop hook runs" in warning for warning in scenario.warnings)
    said = read(small(workloads={"deployment/web": {"preStop": "3s"}}))
    assert not any("preStop hook runs" in warning for warning in said.warnings)


# -- records built by hand


def by_hand(**changes: Any) -> Scenario:
    usual = read(small())
    base: dict[str, Any] = {
        "manifests": usual.manifests,
        "duration_ns": 60 * SECOND,
        "clients": usual.clients,
    }
    return Scenario(**{**base, **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"duration_ns": 0}, "duration = 0 ns must be > 0"),
        ({"clients": ()}, "clients is empty"),
        ({"lag": {"snc": None}}, "cluster.lag = .snc. is no stage; .* did you mean sync"),
        ({"cluster": Cluster(nodes=())}, "cluster.nodes = 0 must be 1 to 15000 nodes"),
        ({"events": (Scale(at_ns=0, target=WEB, replicas=-1),)}, r"events\[0\].replicas = -1 must be from 0"),
        ({"events": (Unready(at_ns=0, target=WEB, for_ns=0),)}, r"events\[0\].for = 0 ns must be > 0"),
        ({"events": (Rollout(at_ns=-1, target=WEB),)}, r"events\[0\].at = -1 ns must be >= 0"),
    ],
)
def test_records_are_held_to_the_rules_too(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        by_hand(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rate_per_s": 0.0}, r"clients\[0\].rate = 0.0 must be > 0"),
        ({"rate_per_s": float("nan")}, r"clients\[0\].rate = NaN must be > 0"),
        ({"sources": 0}, r"clients\[0\].sources = 0 must be from 1"),
        ({"resolve": "once"}, r"clients\[0\].resolve = .once. must be"),
        ({"via": "teleport"}, r"clients\[0\].via = .teleport. must be one of"),
        ({"origin": "node:x"}, r"clients\[0\].from = .node:x. must be"),
        ({"to": WEB}, r"clients\[0\].to = .deployment/web. is no Service"),
        ({"connect_timeout_ns": 0}, r"clients\[0\].timeout.connect = 0 must be > 0"),
    ],
)
def test_client_records_are_held_to_the_rules_too(changes: dict[str, Any], says: str) -> None:
    base: dict[str, Any] = {
        "name": "c",
        "to": parse_key("service/web"),
        "via": "cluster-ip",
        "rate_per_s": 5.0,
    }
    with pytest.raises(ScenarioError, match=says):
        by_hand(clients=(Client(**{**base, **changes}),))
