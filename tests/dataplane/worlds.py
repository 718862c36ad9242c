"""Random worlds for the data plane: plans, histories and jobs, with instants that tie on purpose."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import numpy as np

from svcsim.dataplane.contract import (
    DROPPED,
    NEVER,
    ON_SERVERS_NODE,
    Balance,
    ClientPlan,
    GroupPlan,
    Job,
    Keeps,
    NodeState,
    OnEmpty,
    Outcome,
    Plan,
    QueueFull,
    Reach,
    Resolve,
    Scheduler,
    TruthKind,
)
from svcsim.dataplane.draws import ClientDraws, RateCurve
from svcsim.distributions import Constant, Distribution, Exponential, Mixture, Uniform
from svcsim.rng import Purpose, key64
from svcsim.timeline import Timeline

MS = 1_000_000
SECOND = 1000 * MS


@dataclass
class World:
    """A plan, its draws, the rows the control plane will write, and the jobs it will inject."""

    plan: Plan
    draws: list[ClientDraws]
    groups: list[int] = field(default_factory=list)
    views: list[tuple[int, ...]] = field(default_factory=list)
    truth: list[tuple[int, int, int]] = field(default_factory=list)
    versions: list[tuple[int, ...]] = field(default_factory=list)
    beliefs: list[tuple[int, int, int, int]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)
    nodes: list[tuple[int, int, int]] = field(default_factory=list)

    def timeline(self) -> Timeline:
        timeline = Timeline()
        for group, views in zip(self.groups, self.views, strict=True):
            timeline.add_server(group, views)
        for server, node in enumerate(self.placed):
            timeline.place(server, node)
        for row in self.nodes:
            timeline.node(*row)
        for version in self.versions:
            timeline.add_version(version)
        for row in self.truth:
            timeline.truth(*row)
        for t, observer, view, version in self.beliefs:
            timeline.belief(t, observer, view, version)
        return timeline


def _law(dice: random.Random, grid: int) -> Distribution:
    if grid > MS:
        return Constant(dice.choice([0.0, 0.1, 0.2, 0.5, 1.5]))
    return dice.choice(
        [
            Exponential(0.05),
            Uniform(0.0, 0.3),
            Constant(0.02),
            Mixture([Constant(0.01), Exponential(1.0)], [0.8, 0.2]),
            Exponential(0.8),
        ]
    )


def random_world(seed: int) -> World:
    """A world from one seed. A quarter of them live on a grid of 100 ms, constant laws and arrivals."""
    dice = random.Random(seed)
    grid = 100 * MS if seed % 4 == 0 else 1
    duration = dice.choice([3, 6, 12]) * SECOND
    n_groups = dice.randint(1, 3)
    groups = tuple(
        GroupPlan(
            name=f"g{g}",
            workers=dice.choice([0, 1, 1, 2, 3]),
            queue=dice.choice([-1, -1, 0, 1, 4]),
            queue_full=dice.choice(list(QueueFull)),
            idle_ns=random.Random(f"idle {seed} {g}").choice([NEVER, 100 * MS, SECOND]),
        )
        for g in range(n_groups)
    )
    n_views, n_observers = dice.randint(1, 2), dice.randint(1, 4)
    n_nodes = 3
    places = random.Random(f"nodes {seed}")
    clients = []
    draws = []
    laws = {g: _law(dice, grid) for g in range(n_groups)}
    for c in range(dice.randint(1, 3)):
        sources = dice.choice([1, 1, 2, 5])
        name = f"c{c}"
        clients.append(
            ClientPlan(
                name=name,
                view=dice.randrange(n_views),
                reach=dice.choice([Reach.BELIEF, Reach.BELIEF, Reach.PINNED, Reach.PINNED, Reach.NONE])
                if dice.random() < 0.9
                else Reach.NONE,
                on_empty=dice.choice(list(OnEmpty)),
                resolve=dice.choice(list(Resolve)),
                resolve_period_ns=dice.choice([500 * MS, SECOND, 2 * SECOND]),
                resolver=dice.randrange(n_observers),
                phase_ns=np.array(
                    [dice.randrange(0, 2 * SECOND, grid) for _ in range(sources)], dtype=np.int64
                ),
                observer_of_source=np.array(
                    [dice.randrange(n_observers) for _ in range(sources)], dtype=np.int32
                ),
                node_of_source=np.array(
                    [places.choice([ON_SERVERS_NODE, -1, 0, 1, 2]) for _ in range(sources)], dtype=np.int32
                ),
                entry_of_source=np.full(sources, -1, dtype=np.int32),
                icmp_limited=dice.random() < 0.8,
                connect_timeout_ns=dice.choice([200 * MS, SECOND, 2500 * MS, 127 * SECOND]),
                request_timeout_ns=dice.choice([300 * MS, SECOND, 2 * SECOND, NEVER]),
                ladder_ns=np.array(dice.choice([[1, 2, 3, 4, 5, 7], [1, 3, 7]]), dtype=np.int64) * SECOND,
                repick_key=key64(seed, 0, Purpose.REPICK, name),
                resolve_key=key64(seed, 0, Purpose.RESOLVE, name),
            )
        )
        rates = (dice.choice([5.0, 10.0, 40.0]), dice.choice([0.0, 5.0, 20.0]), 10.0)
        curve = RateCurve((0, duration // 3, duration // 2), rates)
        if dice.random() < 0.5:
            curve = RateCurve((0,), (rates[0],))
        draws.append(
            ClientDraws(
                name=name,
                seed=seed,
                replication=0,
                duration_ns=duration,
                curve=curve,
                poisson=grid == 1,
                services=laws,
            )
        )
    plan = Plan(
        duration_ns=duration,
        n_observers=n_observers,
        n_views=n_views,
        n_nodes=n_nodes,
        groups=groups,
        clients=tuple(clients),
        vanished_after_ns=dice.choice([-1, 500 * MS, 3 * SECOND]),
    )
    world = World(plan, draws)

    def instant(low: int = 0) -> int:
        return dice.randrange(low, max(duration, low) + SECOND, grid)

    n_servers = dice.randint(1, 6)
    for server in range(n_servers):
        world.groups.append(dice.randrange(n_groups))
        world.views.append(tuple(v for v in range(n_views) if dice.random() < 0.8))
        t = 0 if dice.random() < 0.6 else instant()
        rows = [(t, TruthKind.ADDRESS), (t if dice.random() < 0.6 else t + 300 * MS, TruthKind.LISTEN)]
        while dice.random() < 0.6:
            t = max(rows[-1][0], instant(rows[-1][0]))
            kind = dice.random()
            if kind < 0.3:
                rows += [(t, TruthKind.CLOSE), (t, TruthKind.CUT)]
            elif kind < 0.5:
                rows += [(t, TruthKind.CLOSE), (t + 400 * MS, TruthKind.CUT)]
            elif kind < 0.7:
                rows.append((t, TruthKind.CLOSE))
            else:
                rows += [(t, TruthKind.CLOSE), (t, TruthKind.CUT), (t + 30 * MS, TruthKind.RELEASE)]
                if dice.random() < 0.5:
                    rows.append((t + dice.choice([500 * MS, 2 * SECOND]), TruthKind.REUSE))
                break
            if dice.random() < 0.5:
                rows.append((rows[-1][0] + dice.choice([0, 200 * MS, SECOND]), TruthKind.LISTEN))
        world.truth += [(at, server, int(what)) for at, what in rows]
    world.versions.append(())
    for _ in range(5):
        chosen = [s for s in range(n_servers) if dice.random() < 0.5]
        dice.shuffle(chosen)
        if tuple(chosen) not in world.versions:
            world.versions.append(tuple(chosen))
    for observer in range(n_observers):
        for view in range(n_views):
            for _ in range(dice.randint(0, 5)):
                t = 0 if dice.random() < 0.4 else instant()
                world.beliefs.append((t, observer, view, dice.randrange(len(world.versions))))
    for job in range(dice.choice([0, 0, 5])):
        world.jobs.append(
            Job(
                job=job,
                server=dice.randrange(n_servers),
                at_ns=dice.randrange(0, duration, grid),
                service_ns=dice.choice([0, 100 * MS, SECOND]),
                timeout_ns=dice.choice([100 * MS, SECOND]),
            )
        )
    world.placed = [places.randrange(n_nodes) for _ in range(n_servers)]
    for node in range(n_nodes if places.random() < 0.5 else 0):
        for _ in range(places.choice([0, 1, 2, 4])):
            at = places.randrange(0, duration, grid)
            world.nodes.append((at, node, int(places.choice(list(NodeState)))))
    _release_without_power(world)
    _ways_in(world, random.Random(f"ways {seed}"))
    _scheduled(world, random.Random(f"schedulers {seed}"))
    return world


def _scheduled(world: World, dice: random.Random) -> None:
    """What routes chooses by a scheduler in a third of the worlds (R26)."""
    if dice.random() > 0.35:
        return
    scheduler = dice.choice(list(Scheduler)[1:])
    clients = [
        replace(
            client,
            scheduler=scheduler if client.reach is Reach.BELIEF else Scheduler.NONE,
            virtual=dice.choice([0, 0, 1]),
            hash_key=dice.getrandbits(64),
        )
        for client in world.plan.clients
    ]
    world.plan = replace(world.plan, clients=tuple(clients), table_key=dice.getrandbits(64))


def _ways_in(world: World, dice: random.Random) -> None:
    """Entries, balancers, held lists and lists dropped by policy, in half of the worlds (R6, R20, R21)."""
    if dice.random() < 0.5:
        return
    plan = world.plan
    duration, grid = plan.duration_ns, 100 * MS if plan.duration_ns % (100 * MS) == 0 else 1
    balancer, targets = max(plan.n_observers, plan.n_nodes), plan.n_views
    clients = []
    for one in plan.clients:
        client = one
        way = dice.choice(["as it was", "entry", "balancer", "held", "rotates"])
        if way in ("entry", "balancer"):  # what stays in a pod enters nowhere
            client = replace(client, node_of_source=np.maximum(client.node_of_source, -1))
        if way == "entry" and client.reach is Reach.BELIEF:
            nodes = [dice.randrange(-1, plan.n_nodes) for _ in range(client.n_sources)]
            client = replace(client, entry_of_source=np.array(nodes, dtype=np.int32))
        elif way == "balancer" and client.reach is Reach.BELIEF:
            client = replace(client, balancer=balancer, targets=targets, entry_key=dice.getrandbits(64))
        elif way in ("held", "rotates") and client.reach is Reach.PINNED:
            client = replace(client, reach=Reach.HELD, rotates=way == "rotates")
        clients.append(_again(client, dice, world.plan.n_nodes))
    world.plan = replace(plan, clients=tuple(clients), n_observers=balancer + 1, n_views=targets + 1)
    for _ in range(dice.randint(0, 4)):
        nodes = tuple(node for node in range(plan.n_nodes) if dice.random() < 0.6)
        if nodes not in world.versions:
            world.versions.append(nodes)
        at = 0 if dice.random() < 0.5 else dice.randrange(0, duration, grid)
        world.beliefs.append((at, balancer, targets, world.versions.index(nodes)))
    n_servers = len(world.groups)
    known = [i for i, v in enumerate(world.versions) if all(s < n_servers for s in v)]
    for _ in range(dice.randint(0, 9)):
        at = 0 if dice.random() < 0.5 else dice.randrange(0, duration, grid)
        version = DROPPED if dice.random() < 0.3 else dice.choice(known)
        world.beliefs.append((at, dice.randrange(plan.n_nodes), dice.randrange(plan.n_views), version))


def _again(client: ClientPlan, dice: random.Random, n_nodes: int) -> ClientPlan:
    """Retries, choices, affinity and ejections for half of the clients (R22 to R24)."""
    if dice.random() < 0.5:
        return client
    failures = [o for o in Outcome if o not in (Outcome.OPEN, Outcome.OK, Outcome.NOT_SENT)]
    return replace(
        client,
        balance=dice.choice(list(Balance)),
        router_key=dice.getrandbits(64),
        choice_key=dice.getrandbits(64),
        affinity_ns=dice.choice([-1, -1, 0, 200 * MS, 3 * SECOND]),
        retries=dice.choice([0, 1, 2, 5]),
        retry_on=frozenset(o for o in failures if dice.random() < 0.7),
        backoff_ns=dice.choice([0, 0, 100 * MS, 300 * MS]),
        backoff_max_ns=dice.choice([0, 200 * MS, 7 * SECOND]),
        jitter=dice.random() < 0.5,
        retry_key=dice.getrandbits(64),
        excludes_tried=dice.random() < 0.5,
        budget_permille=dice.choice([-1, -1, 0, 200, 1000]),
        budget_burst=dice.choice([0, 1, 5]),
        eject_after=dice.choice([0, 0, 1, 2]),
        eject_ns=dice.choice([100 * MS, SECOND]),
        **_kept(dice),
    )


def _kept(dice: random.Random) -> dict:
    """Connections that are kept in half of these (R25)."""
    if dice.random() < 0.5:
        return {}
    age = dice.choice([NEVER, NEVER, SECOND])
    return {
        "keeps": dice.choice([Keeps.KEPT, Keeps.KEPT, Keeps.CHANNEL]),
        "keep_idle_ns": dice.choice([NEVER, 200 * MS, 2 * SECOND]),
        "max_idle": dice.choice([0, 1, 2, 10]),
        "max_age_ns": age,
        "age_jitter_permille": 0 if age == NEVER else dice.choice([0, 200, 1000]),
        "age_key": dice.getrandbits(64),
        "max_requests": dice.choice([NEVER, NEVER, 1, 3]),
        "hears_ns": dice.choice([0, 0, 20 * MS, 100 * MS]),
    }


def _release_without_power(world: World) -> None:
    """What the control plane writes where a node goes DOWN: its servers are released and never come back."""
    first_down = {
        node: min((t for t, n, state in world.nodes if n == node and state == NodeState.DOWN), default=NEVER)
        for node in range(world.plan.n_nodes)
    }
    kept = [row for row in world.truth if row[0] < first_down[world.placed[row[1]]]]
    born = {server for _, server, kind in kept if kind == TruthKind.ADDRESS}
    released = [(first_down[world.placed[s]], s, int(TruthKind.RELEASE)) for s in sorted(born)]
    world.truth = kept + [row for row in released if row[0] < NEVER]
