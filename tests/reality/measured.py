"""Measured runs of a real Kubernetes: configuration and what the client of each run saw.

Kubernetes 1.36.2 (kube-apiserver, controllers, scheduler, kubelet, kube-proxy; one run with kube-proxy 1.30.5) with a
container runtime of the testbed that starts and stops real processes in network namespaces: recorded 2026-11-25, three
worker nodes and a client node; a Poisson client of 300 connections a second from a pod on the client node to the
Service's ClusterIP, connect timeout 1 s. Ten replicas of a server that listens 500 ms after its start and serves in 2 ms,
readiness over HTTP. Outcomes that are artefacts of the client (source port in use) are left out.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RUNS", "Run"]


class Run(NamedTuple):
    """One run; surge and unavailable as in the manifest, None under Recreate. actions: (seconds, replicas or None)."""

    name: str
    proxy: str
    min_sync: str
    kubernetes: str
    surge: str | int | None
    unavailable: str | int | None
    pre_stop_s: int
    on_sigterm: str
    grace_s: int
    readiness_period_s: int
    long_share: float
    total_timeout_s: int
    duration_s: int
    actions: tuple[tuple[float, int | None], ...]
    total: int
    refused: int
    timeout: int
    reset: int
    eof: int

    @property
    def failed(self) -> int:
        """All failures."""
        return self.refused + self.timeout + self.reset + self.eof


RUNS = (
    Run("A-rr-exit-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8938, 2, 183, 0, 0),
    Run("A-rr-exit-ipt-2", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 9149, 1, 165, 0, 0),
    Run("A-rr-exit-ipt-4", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8869, 2, 253, 0, 0),
    Run("A10-rr-probe10-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 10, 0.0, 2, 60, ((5.0, None),), 17957, 2, 263, 1, 2),
    Run("B2-rr-prestop2-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 2, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8938, 0, 0, 0, 0),
    Run("B5-rr-prestop5-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 5, "exit", 30, 1, 0.0, 2, 35, ((5.0, None),), 10482, 0, 0, 0, 0),
    Run("C-rr-exit-nft-1", "nftables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8937, 4, 155, 1, 1),
    Run("C-rr-exit-nft-2", "nftables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 9149, 2, 166, 0, 0),
    Run("C2-rr-prestop2-nft-1", "nftables", "1s", "1.36", "25%", "25%", 2, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8938, 0, 0, 0, 0),
    Run("CD-scale-10-3-10-nft-1", "nftables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, 3), (15.0, 10)), 8938, 0, 212, 2, 0),
    Run("D-scale-10-3-10-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, 3), (15.0, 10)), 8937, 4, 215, 1, 0),
    Run("E-rr-pinned-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8938, 1, 192, 0, 1),
    Run("F01-rr-exit-ipt-min100ms-1", "iptables", "100ms", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8937, 2, 48, 1, 2),
    Run("F5-rr-exit-ipt-min5s-1", "iptables", "5s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 40, ((5.0, None),), 11983, 1, 950, 2, 0),
    Run("G-rr-drain-long-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "drain", 30, 1, 0.05, 6, 35, ((5.0, None),), 10475, 158, 39, 0, 0),
    Run("G-rr-exit-long-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "exit", 30, 1, 0.05, 6, 35, ((5.0, None),), 10477, 2, 295, 0, 40),
    Run("H-recreate-ipt-1", "iptables", "1s", "1.36", None, None, 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8932, 15, 587, 0, 0),
    Run("H2-recreate-prestop5-ipt-1", "iptables", "1s", "1.36", None, None, 5, "exit", 30, 1, 0.0, 2, 35, ((5.0, None),), 10476, 13, 658, 4, 2),
    Run("I-surge100-ipt-1", "iptables", "1s", "1.36", "100%", 0, 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8934, 1, 193, 0, 0),
    Run("L-rr-ignoreterm-grace5-ipt-1", "iptables", "1s", "1.36", "25%", "25%", 0, "ignore", 5, 1, 0.0, 2, 35, ((5.0, None),), 10482, 0, 0, 0, 0),
    Run("V130-rr-exit-ipt-1", "iptables", "1s", "1.30", "25%", "25%", 0, "exit", 30, 1, 0.0, 2, 30, ((5.0, None),), 8938, 1, 133, 0, 1),
)
