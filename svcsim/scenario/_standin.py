from __future__ import annotations
from dataclasses import dataclass, field
from typing import Any, Mapping
from svcsim.distributions import Distribution, from_spec
from svcsim.kube import *
@dataclass(frozen=True, kw_only=True)
class Node: name: str; zone: str|None=None; pods_limit: int=110; unschedulable: bool=False; cpu: Any=None
@dataclass(frozen=True, kw_only=True)
class KubeProxy: mode: str='iptables'; min_sync_period_ns: int=10**9; sync_period_ns: int=30*10**9
@dataclass(frozen=True, kw_only=True)
class VanishedIP: then: str='unreachable'; after_ns: int=3*10**9; reuse_after_ns: int|None=None
@dataclass(frozen=True, kw_only=True)
class Cluster:
    kubernetes_minor: int=34; nodes: tuple[Node,...]=(); kube_proxy: KubeProxy=KubeProxy(); pod_network: str='overlay'; vanished_ip: VanishedIP=VanishedIP(); kernel: tuple[int,int]=(6,8)
@dataclass(frozen=True, kw_only=True)
class WorkloadBehaviour:
    startup: Distribution; service_time: Distribution; concurrency: int|None=None; queue: int|None=None; queue_full: str='reject'; on_sigterm: str='exit'; lame_duck_ns: int=0; pre_stop_ns: int|None=None; age_ns: int|None=None
@dataclass(frozen=True, kw_only=True)
class Client:
    name: str; to: ObjectKey; via: str; rate_per_s: float; port: Any=None; resolve: str|None='once'; resolve_every_ns: int|None=None; arrivals: str='poisson'; connect_timeout_ns: int|None=10**9; request_timeout_ns: int|None=5*10**9; origin: str='nodes'; sources: int=1; host_network: bool=False
@dataclass(frozen=True, kw_only=True)
class Rollout: at_ns: int; target: ObjectKey; template: PodTemplate|None=None
@dataclass(frozen=True, kw_only=True)
class Scale: at_ns: int; target: ObjectKey; replicas: int
@dataclass(frozen=True, kw_only=True)
class Delete: at_ns: int; target: ObjectKey; count: int=1
@dataclass(frozen=True, kw_only=True)
class Crash: at_ns: int; target: ObjectKey; count: int=1
@dataclass(frozen=True, kw_only=True)
class Kill: at_ns: int; target: ObjectKey; count: int=1
@dataclass(frozen=True, kw_only=True)
class Unready: at_ns: int; target: ObjectKey; for_ns: int; count: int=1
@dataclass(frozen=True, kw_only=True)
class Rate: at_ns: int; client: str; rate_per_s: float
@dataclass(frozen=True, kw_only=True)
class Scenario:
    name: str; manifests: ManifestSet; duration_ns: int; cluster: Cluster; clients: tuple[Client,...]; events: tuple=(); lag: Mapping[str,Distribution|None]=field(default_factory=dict); behaviours: Mapping=field(default_factory=dict); warnings: tuple=()
    def behaviour(self, key, container): return self.behaviours[key]
