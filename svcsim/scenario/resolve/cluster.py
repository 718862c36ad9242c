"""`cluster:` to a Cluster, `cluster.lag:` to distributions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from svcsim.distributions import Distribution
from svcsim.kube.quantities import parse_quantity
from svcsim.scenario.defaults import LAG_KEYS, default_law
from svcsim.scenario.files.layer import (
    ClusterFile,
    ConntrackFile,
    DnsFile,
    KubeProxyFile,
    LagFile,
    LoadBalancerFile,
    NodeFile,
    ReuseFile,
    VanishedIPFile,
)
from svcsim.scenario.files.place import Where, did_you_mean
from svcsim.scenario.files.typed import typed
from svcsim.scenario.frozen import FrozenMap
from svcsim.scenario.model import (
    MAX_CORES,
    PRESETS,
    Cluster,
    Conntrack,
    Dns,
    KubeProxy,
    LbAlgorithm,
    LoadBalancer,
    Node,
    VanishedIP,
    named_nodes,
)
from svcsim.scenario.resolve.kubefiles import nodes_from_file, proxy_settings_from_file
from svcsim.scenario.resolve.values import kernel, kubernetes_minor, law, positive_ns, span_ns

__all__ = ["resolve_cluster", "resolve_lag"]

MODES = ("iptables", "nftables", "ipvs", "cilium")
MAX_SLOWDOWN = 1_000_000
NOT_YET_MODES = ("kernelspace", "userspace")
SCHEDULERS = ("rr", "lc", "sh", "mh")
WEIGHTED = {"wrr": "rr", "wlc": "lc"}
"""What schedulers by weight are where all weights are 1, as kube-proxy has them."""
_BY_DESTINATION = "goes by the address called, which is the Service's for all callers"
_BY_DELAY = "estimates delays from weights that kube-proxy leaves at 1"
OTHER_SCHEDULERS = {
    "dh": _BY_DESTINATION,
    "lblc": _BY_DESTINATION,
    "lblcr": _BY_DESTINATION,
    "sed": _BY_DELAY,
    "nq": _BY_DELAY,
}


def _node(file: NodeFile, where: Where) -> Node:
    usual = Node(name=file.name)
    cpu = None
    if file.cpu is not UNSET:
        text = file.cpu
        cpu = (where / "cpu").read(lambda: parse_quantity(text))
        if not 0 < cpu <= MAX_CORES:
            raise (where / "cpu").error(text, f"must be > 0 and at most {MAX_CORES} cores")
    slowdown = usual.proxy_slowdown
    if file.proxy_slowdown is not UNSET:
        slowdown = float(file.proxy_slowdown)
        if not 0 < slowdown <= MAX_SLOWDOWN:
            raise (where / "proxySlowdown").error(
                file.proxy_slowdown, f"must be > 0 and at most {MAX_SLOWDOWN}"
            )
    return Node(
        name=file.name,
        zone=None if file.zone is UNSET else file.zone,
        pods_limit=usual.pods_limit if file.pods is UNSET else file.pods,
        unschedulable=False if file.unschedulable is UNSET else file.unschedulable,
        proxy_slowdown=slowdown,
        cpu=cpu,
    )


def _nodes(
    file: int | list[NodeFile] | str | UnsetType, base: Path | None, where: Where, warnings: list[str]
) -> tuple[Node, ...]:
    if file is UNSET:
        return Cluster().nodes
    if isinstance(file, int):
        return named_nodes(file)
    if isinstance(file, str):
        return nodes_from_file(file, base, where, warnings)
    return tuple(_node(one, where / index) for index, one in enumerate(file))


def _kube_proxy(
    file: KubeProxyFile | str | UnsetType, base: Path | None, where: Where, warnings: list[str]
) -> KubeProxy:
    usual = KubeProxy()
    if file is UNSET:
        return usual
    if isinstance(file, str):
        file = typed(proxy_settings_from_file(file, base, where), KubeProxyFile, where)
    mode = usual.mode if file.mode is UNSET else file.mode
    if mode in NOT_YET_MODES:
        raise (where / "mode").error(mode, f"is not simulated yet; available: {', '.join(MODES)}")
    if mode not in MODES:
        raise (where / "mode").error(mode, f"must be one of {', '.join(MODES)}{did_you_mean(mode, MODES)}")
    least, most = 0 if mode == "ipvs" else usual.min_sync_period_ns, usual.sync_period_ns
    if file.min_sync_period is not UNSET:
        least = span_ns(file.min_sync_period, where / "minSyncPeriod")
        if least == 0 and mode == "iptables":
            least = usual.min_sync_period_ns
            warnings.append(
                f"{where / 'minSyncPeriod'} = 0s becomes 1s, as kube-proxy's iptables mode has it"
            )
    if file.sync_period is not UNSET:
        most = positive_ns(file.sync_period, where / "syncPeriod")
    if least > most:
        raise where.problem(
            f"{where / 'minSyncPeriod'} must be at most {where / 'syncPeriod'}, as kube-proxy wants it"
        )
    return KubeProxy(
        mode=cast(Any, mode),
        min_sync_period_ns=least,
        sync_period_ns=most,
        ipvs_scheduler=cast(Any, _ipvs_scheduler(file, mode, where / "ipvsScheduler", warnings)),
        lb_algorithm=_lb_algorithm(file, mode, where / "lbAlgorithm", warnings),
    )


def _ipvs_scheduler(file: KubeProxyFile, mode: str, where: Where, warnings: list[str]) -> str:
    """The scheduler of mode ipvs, without what weights would add: kube-proxy's are all 1."""
    name = file.ipvs_scheduler
    if name is UNSET:
        return KubeProxy().ipvs_scheduler
    if name in OTHER_SCHEDULERS:
        available = ", ".join((*SCHEDULERS, *WEIGHTED))
        raise where.error(name, f"{OTHER_SCHEDULERS[name]}, and is not simulated; available: {available}")
    known = (*SCHEDULERS, *WEIGHTED)
    if name not in known:
        raise where.error(name, f"must be one of {', '.join(known)}{did_you_mean(name, known)}")
    if mode != "ipvs":
        warnings.append(f"{where} = {name} means nothing with mode {mode}; it belongs to mode ipvs")
        return KubeProxy().ipvs_scheduler
    if name == "wrr":
        warnings.append(
            f"{where} = wrr is run as rr; in the kernel its turn begins anew with every pod that comes"
        )
    return WEIGHTED.get(name, name)


def _lb_algorithm(file: KubeProxyFile, mode: str, where: Where, warnings: list[str]) -> LbAlgorithm:
    """How Cilium picks for what comes from outside the cluster."""
    if file.lb_algorithm is UNSET:
        return KubeProxy().lb_algorithm
    if mode != "cilium":
        warnings.append(
            f"{where} = {file.lb_algorithm} means nothing with mode {mode}; it belongs to mode cilium"
        )
        return KubeProxy().lb_algorithm
    return file.lb_algorithm


def _vanished_ip(file: VanishedIPFile | UnsetType, where: Where) -> VanishedIP:
    usual = VanishedIP()
    if file is UNSET:
        return usual
    reuse = None
    if isinstance(file.reuse, ReuseFile):
        reuse = span_ns(file.reuse.after, where / "reuse" / "after")
    return VanishedIP(
        then=usual.then if file.then is UNSET else file.then,
        after_ns=usual.after_ns if file.after is UNSET else span_ns(file.after, where / "after"),
        reuse_after_ns=reuse,
    )


def _load_balancer(file: LoadBalancerFile | UnsetType, where: Where) -> LoadBalancer:
    usual = LoadBalancer()
    if file is UNSET:
        return usual
    preset = usual.preset if file.preset is UNSET else file.preset
    if preset not in PRESETS:
        known = tuple(PRESETS)
        raise (where / "preset").error(
            preset, f"must be one of {', '.join(known)}{did_you_mean(preset, known)}"
        )
    return LoadBalancer(
        preset=preset,
        targets=usual.targets if file.targets is UNSET else file.targets,
        check=None if file.check is UNSET else file.check,
        interval_ns=None if file.interval is UNSET else positive_ns(file.interval, where / "interval"),
        unhealthy_after=None if file.unhealthy_after is UNSET else file.unhealthy_after,
        healthy_after=None if file.healthy_after is UNSET else file.healthy_after,
    )


def _dns(file: DnsFile | UnsetType, where: Where) -> Dns:
    usual = Dns()
    if file is UNSET:
        return usual
    return Dns(
        ttl_ns=usual.ttl_ns if file.ttl is UNSET else positive_ns(file.ttl, where / "ttl"),
        cache_ns=usual.cache_ns if file.cache is UNSET else span_ns(file.cache, where / "cache"),
        negative_ns=None if file.negative is UNSET else span_ns(file.negative, where / "negative"),
    )


def _conntrack(file: ConntrackFile | UnsetType, where: Where) -> Conntrack:
    usual = Conntrack()
    if file is UNSET:
        return usual
    udp, stream = usual.udp_ns, usual.udp_stream_ns
    if file.udp is not UNSET:
        udp = positive_ns(file.udp, where / "udp")
    if file.udp_stream is not UNSET:
        stream = positive_ns(file.udp_stream, where / "udpStream")
    cleanup = usual.cleanup if file.cleanup is UNSET else file.cleanup
    most = usual.most if file.max is UNSET else file.max
    return Conntrack(udp_ns=udp, udp_stream_ns=stream, cleanup=cleanup, most=most)


def resolve_cluster(
    file: ClusterFile | UnsetType, *, base: Path | None, where: Where, warnings: list[str]
) -> Cluster:
    """Return the cluster; files it names are read."""
    usual = Cluster()
    if file is UNSET:
        return usual
    most, batch = usual.max_endpoints_per_slice, usual.slice_batch_period_ns
    if file.endpoint_slice is not UNSET:
        if file.endpoint_slice.max_endpoints is not UNSET:
            most = file.endpoint_slice.max_endpoints
        if file.endpoint_slice.batch_period is not UNSET:
            batch = span_ns(file.endpoint_slice.batch_period, where / "endpointSlice" / "batchPeriod")
    count, each = usual.other_services, usual.endpoints_per_other
    if file.other_services is not UNSET:
        count = file.other_services.count
        if file.other_services.endpoints is not UNSET:
            each = file.other_services.endpoints
    return Cluster(
        load_balancer=_load_balancer(file.load_balancer, where / "loadBalancer"),
        dns=_dns(file.dns, where / "dns"),
        conntrack=_conntrack(file.conntrack, where / "conntrack"),
        other_services=count,
        endpoints_per_other=each,
        max_endpoints_per_slice=most,
        slice_batch_period_ns=batch,
        kubernetes_minor=kubernetes_minor(file.kubernetes, where / "kubernetes", usual.kubernetes_minor),
        nodes=_nodes(file.nodes, base, where / "nodes", warnings),
        kube_proxy=_kube_proxy(file.kube_proxy, base, where / "kubeProxy", warnings),
        pod_network=usual.pod_network if file.pod_network is UNSET else file.pod_network,
        vanished_ip=_vanished_ip(file.vanished_ip, where / "vanishedIP"),
        kernel=kernel(file.kernel, where / "kernel", usual.kernel),
        node_monitor_grace_period_ns=(
            None
            if file.node_monitor_grace_period is UNSET
            else positive_ns(file.node_monitor_grace_period, where / "nodeMonitorGracePeriod")
        ),
    )


def resolve_lag(file: LagFile | UnsetType, where: Where) -> Mapping[str, Distribution | None]:
    """Return the distribution of every stage; None for one that a run decides."""
    written = {} if file is UNSET else msgspec.structs.asdict(file)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(LagFile)}
    laws: dict[str, Distribution | None] = {}
    for key in LAG_KEYS:
        spec = written.get(names[key], UNSET)
        laws[key] = default_law(f"lag.{key}") if spec is UNSET else law(spec, where / key)
    return FrozenMap(laws)
