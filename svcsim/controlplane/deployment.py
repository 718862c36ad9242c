"""The Deployment controller (pkg/controller/deployment: rolling.go, recreate.go, util/deployment_util.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcsim.controlplane.loop import SECOND
from svcsim.controlplane.objects import Deployment, ReplicaSet
from svcsim.kube import resolve_rolling

if TYPE_CHECKING:
    from svcsim.controlplane.plane import ControlPlane

__all__ = ["DeploymentController"]


class DeploymentController:
    """Moves a Deployment's ReplicaSets one step at a time; each step's writes bring the next sync."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def enqueue(self, deployment: Deployment, *, own_write: bool = False) -> None:
        """Something about the Deployment or its ReplicaSets changed; syncs of one key never overlap.

        own_write: the change is the controller's own, which it has first to finish and then to see.
        """
        if deployment.sync_queued:
            return
        deployment.sync_queued = True
        plane = self._plane
        name = f"deployment/{deployment.workload.key}"
        lag = plane.dice.lag("controller", name) + (plane.dice.lag("api", name) if own_write else 0)
        plane.loop.at(plane.awake("deployment", plane.loop.now + lag), self._sync, deployment)

    def _sync(self, deployment: Deployment) -> None:
        deployment.sync_queued = False
        current = deployment.sets[-1] if deployment.sets else None
        old = deployment.sets[:-1]
        if current is None or current.revision != deployment.revision:
            old = deployment.sets[:]
            current = None
        if self._scaling(deployment):
            self._scale(deployment, current, old)
            return
        if deployment.workload.paused:
            return
        self._progress(deployment, current, old)
        strategy = deployment.workload.strategy
        assert strategy is not None
        if strategy.type == "Recreate":
            self._recreate(deployment, current, old)
        else:
            self._rolling(deployment, current, old)

    def _progress(self, deployment: Deployment, current: ReplicaSet | None, old: list[ReplicaSet]) -> None:
        """Condition Progressing: false once nothing has moved for progressDeadlineSeconds; a mere condition.

        Source: progress.go `syncRolloutStatus`, deployment_util.go `DeploymentTimedOut`.
        """
        seconds = deployment.workload.progress_deadline_seconds
        if seconds is None:
            return
        new = (current.replicas, *current.status) if current is not None else (0, 0, 0, 0)
        complete = (
            current is not None and new == (deployment.replicas,) * 4 and not any(r.replicas for r in old)
        )
        moved = (deployment.revision, new, sum(rs.replicas for rs in old))
        if complete:
            deployment.progress = None
        elif deployment.progress is None or deployment.progress[0] != moved:
            plane = self._plane
            deployment.progress = (moved, plane.loop.now)
            at = plane.loop.now + seconds * SECOND
            plane.loop.at(at, self._deadline, deployment, deployment.progress)

    def _deadline(self, deployment: Deployment, progress: tuple[object, int]) -> None:
        if deployment.progress is progress:
            deployment.deadline_exceeded_ns = self._plane.loop.now
            self._plane.warn_once(
                f"{deployment.workload.key}: ProgressDeadlineExceeded, nothing had moved for "
                f"{deployment.workload.progress_deadline_seconds} s; a condition only, the rollout goes on"
            )

    @staticmethod
    def adopt_older(deployment: Deployment) -> None:
        """A template that an older ReplicaSet has makes that one the newest again: a rollback.

        Its revision becomes the Deployment's (deployment_util.go `FindNewReplicaSet`, sync.go
        `getNewReplicaSet`).
        """
        for rs in reversed(deployment.sets):
            if rs.template == deployment.template:
                deployment.sets.remove(rs)
                deployment.sets.append(rs)
                rs.revision = deployment.revision
                return

    @staticmethod
    def _scaling(deployment: Deployment) -> bool:
        """A live ReplicaSet was sized for another spec.replicas (sync.go `isScalingEvent`)."""
        return any(rs.replicas > 0 and rs.desired != deployment.replicas for rs in deployment.sets)

    def _scale(self, deployment: Deployment, current: ReplicaSet | None, old: list[ReplicaSet]) -> None:
        """One live ReplicaSet takes the size; several share it by their size (sync.go `scale`)."""
        live = [rs for rs in deployment.sets if rs.replicas > 0]
        if len(live) <= 1:
            target = live[0] if live else current
            if target is not None:
                self._resize(deployment, target, deployment.replicas)
            return
        if current is not None and all(rs.replicas == 0 or rs is current for rs in deployment.sets):
            self._resize(deployment, current, deployment.replicas)
            return
        strategy = deployment.workload.strategy
        assert strategy is not None
        if strategy.type == "Recreate":
            for rs in live:
                self.annotate(deployment, rs)
            self.enqueue(deployment)
            return
        surge, _ = resolve_rolling(deployment.replicas, strategy)
        allowed = deployment.replicas + surge if deployment.replicas > 0 else 0
        to_add = allowed - sum(rs.replicas for rs in live)
        # biggest first when growing and when shrinking; among equals the newer (growing) or older first
        newest_first = sorted(
            live, key=lambda rs: (-rs.replicas, -rs.revision if to_add > 0 else rs.revision)
        )
        added = 0
        sizes: dict[int, int] = {}
        for rs in newest_first:
            share = self._proportion(rs, deployment, surge, to_add, added) if to_add else 0
            sizes[id(rs)] = rs.replicas + share
            added += share
        for i, rs in enumerate(newest_first):
            size = sizes[id(rs)]
            if i == 0 and to_add:
                size = max(size + to_add - added, 0)
            self._resize(deployment, rs, size)

    @staticmethod
    def _proportion(rs: ReplicaSet, deployment: Deployment, surge: int, to_add: int, added: int) -> int:
        """deployment_util.go `GetReplicaSetProportion` and `getReplicaSetFraction`."""
        if rs.replicas == 0 or to_add == added:
            return 0
        if deployment.replicas == 0:
            fraction = -rs.replicas
        else:
            before = rs.max_replicas or deployment.replicas
            exact = rs.replicas * (deployment.replicas + surge) / before
            fraction = int(exact + 0.5) - rs.replicas
        allowed = to_add - added
        return min(fraction, allowed) if to_add > 0 else max(fraction, allowed)

    def _rolling(self, deployment: Deployment, current: ReplicaSet | None, old: list[ReplicaSet]) -> None:
        """rolling.go `rolloutRolling`: scale the new ReplicaSet up, or else old ones down."""
        strategy = deployment.workload.strategy
        assert strategy is not None
        wanted = deployment.replicas
        surge, unavailable = resolve_rolling(wanted, strategy)
        total = sum(rs.replicas for rs in deployment.sets)
        have = current.replicas if current is not None else 0
        target = min(wanted, have + max(0, wanted + surge - total)) if have < wanted else wanted
        if current is None:
            # creation is part of finding the new ReplicaSet and does not end the sync
            self._plane.new_replica_set(deployment, target)
            deployment.sync_queued = True
            lag = self._plane.dice.lag("api", f"deployment/{deployment.workload.key}")
            self._plane.loop.at(self._plane.loop.now + lag, self._after_creation, deployment)
            return
        if current.replicas != target:
            self._resize(deployment, current, target)
            return
        self._scale_down(deployment, current, old, wanted - unavailable)

    def _after_creation(self, deployment: Deployment) -> None:
        """The sync that created the new ReplicaSet goes on to the old ones."""
        deployment.sync_queued = False
        strategy = deployment.workload.strategy
        assert strategy is not None
        _, unavailable = resolve_rolling(deployment.replicas, strategy)
        current = deployment.sets[-1]
        self._scale_down(deployment, current, deployment.sets[:-1], deployment.replicas - unavailable)
        self.enqueue(deployment, own_write=True)

    def _scale_down(
        self, deployment: Deployment, current: ReplicaSet, old: list[ReplicaSet], minimum: int
    ) -> None:
        """rolling.go `reconcileOldReplicaSets`: unhealthy replicas first, then what availability allows."""
        live = [rs for rs in old if rs.replicas > 0]
        if not live:
            return
        total = sum(rs.replicas for rs in deployment.sets)
        max_down = total - minimum - (current.replicas - current.available)
        if max_down <= 0:
            return
        cleaned = 0
        for rs in live:
            if cleaned >= max_down:
                break
            unhealthy = min(max_down - cleaned, rs.replicas - rs.available)
            if unhealthy > 0:
                self._resize(deployment, rs, rs.replicas - unhealthy)
                cleaned += unhealthy
        down = sum(rs.available for rs in deployment.sets) - minimum
        for rs in live:
            if down <= 0:
                break
            step = min(rs.replicas, down)
            if step > 0:
                self._resize(deployment, rs, rs.replicas - step)
                down -= step

    def _recreate(self, deployment: Deployment, current: ReplicaSet | None, old: list[ReplicaSet]) -> None:
        """recreate.go `rolloutRecreate`: nothing new before the last old pod has ended."""
        scaled = False
        for rs in old:
            if rs.replicas > 0:
                self._resize(deployment, rs, 0)
                scaled = True
        if scaled or any(not (pod.terminal or pod.gone) for rs in old for pod in rs.pods):
            return
        if current is None:
            self._plane.new_replica_set(deployment, deployment.replicas)
        elif current.replicas != deployment.replicas:
            self._resize(deployment, current, deployment.replicas)

    @staticmethod
    def annotate(deployment: Deployment, rs: ReplicaSet) -> None:
        """Write the sizes a ReplicaSet was made for (deployment_util.go `SetReplicasAnnotations`)."""
        strategy = deployment.workload.strategy
        assert strategy is not None
        rs.desired = deployment.replicas
        rs.max_replicas = deployment.replicas + resolve_rolling(deployment.replicas, strategy)[0]

    def _resize(self, deployment: Deployment, rs: ReplicaSet, replicas: int) -> None:
        """Write a ReplicaSet's spec.replicas and its desired-replicas annotation."""
        changed = rs.replicas != replicas or rs.desired != deployment.replicas
        rs.replicas = replicas
        self.annotate(deployment, rs)
        if changed:
            self._plane.replica_sets.enqueue(rs)
            self.enqueue(deployment, own_write=True)
