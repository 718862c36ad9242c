"""Queueing closed forms against tables computed by separate programs (six to seven digits)."""

from __future__ import annotations

import math

import pytest

from svcsim import theory
from svcsim.distributions import Constant, Exponential, Gamma, LogNormal, Mixture
from svcsim.errors import ScenarioError

RHOS = (0.5, 0.7, 0.8, 0.9, 0.95)
# two exponential branches with equal shares of the work and squared coefficient of variation 4
P_FAST = 0.5 * (1.0 + math.sqrt(0.6))
H2 = Mixture([Exponential(0.5 / P_FAST), Exponential(0.5 / (1.0 - P_FAST))], [P_FAST, 1.0 - P_FAST])


@pytest.mark.parametrize(
    ("rho", "expected"),
    [
        (0.5, (1, 2, 1.386294, 5.991465, 9.210340, 13.815511, 7.824046)),
        (0.7, (2.333333, 3.333333, 2.310491, 9.985774, 15.350567, 23.025851, 14.161651)),
        (0.8, (4, 5, 3.465736, 14.978661, 23.025851, 34.538776, 21.910133)),
        (0.9, (9, 10, 6.931472, 29.957323, 46.051702, 69.077553, 44.998097)),
        (0.95, (19, 20, 13.862944, 59.914645, 92.103404, 138.155106, 91.077538)),
    ],
)
def test_mm1(rho: float, expected: tuple[float, ...]) -> None:
    wait, response, p50, p95, p99, p999, wait_p99 = expected
    assert theory.mm1_mean_wait(rho, 1.0) == pytest.approx(wait, abs=1e-6)
    assert theory.mm1_mean_response(rho, 1.0) == pytest.approx(response, abs=1e-6)
    for p, value in ((0.5, p50), (0.95, p95), (0.99, p99), (0.999, p999)):
        assert theory.mm1_response_quantile(rho, 1.0, p) == pytest.approx(value, abs=1e-6)
        # the same through M/M/c with one server
        assert theory.mmc_response_quantile(1, rho, 1.0, p) == pytest.approx(value, abs=1e-6)
    assert theory.mm1_wait_quantile(rho, 1.0, 0.99) == pytest.approx(wait_p99, abs=1e-6)


@pytest.mark.parametrize(
    ("c", "rho", "expected"),
    [
        (2, 0.7, (0.576471, 0.960784, 1.451145, 5.545529, 8.265576, 12.118015, 6.757232)),
        (2, 0.9, (0.852632, 4.263158, 3.769159, 15.297239, 23.344430, 34.857355, 22.228712)),
        (4, 0.7, (0.428654, 0.357212, 1.028547, 3.752496, 5.492557, 7.901734, 3.131721)),
        (4, 0.9, (0.787753, 1.969383, 2.254504, 8.165525, 12.193167, 17.950014, 10.916500)),
        (10, 0.7, (0.221731, 0.073910, 0.776961, 3.100670, 4.710302, 7.012895, 1.032960)),
        (10, 0.9, (0.668732, 0.668732, 1.329092, 4.360867, 6.249877, 8.841057, 4.202798)),
        (32, 0.9, (0.458197, 0.143186, 0.855755, 3.184767, 4.794356, 7.096946, 1.195223)),
        (100, 0.9, (0.216940, 0.021694, 0.716929, 3.019551, 4.628989, 6.931574, 0.307704)),
        (100, 0.95, (0.506457, 0.101291, 0.807916, 3.114949, 4.724387, 7.026972, 0.784971)),
    ],
)
def test_mmc(c: int, rho: float, expected: tuple[float, ...]) -> None:
    waits, wait, p50, p95, p99, p999, wait_p99 = expected
    assert theory.erlang_c(c, c * rho) == pytest.approx(waits, abs=1e-6)
    assert theory.mmc_mean_wait(c, c * rho, 1.0) == pytest.approx(wait, abs=1e-6)
    for p, value in ((0.5, p50), (0.95, p95), (0.99, p99), (0.999, p999)):
        assert theory.mmc_response_quantile(c, c * rho, 1.0, p) == pytest.approx(value, abs=1e-6)
    assert theory.mmc_wait_quantile(c, c * rho, 1.0, 0.99) == pytest.approx(wait_p99, abs=1e-6)


def test_mmc_where_the_wait_decays_as_fast_as_the_service() -> None:
    # two servers at half load: P(T > t) = e^-t (1 + C t)
    waits = theory.erlang_c(2, 1.0)
    for t in (0.0, 0.3, 5.0):
        expected = math.exp(-t) * (1.0 + waits * t)
        assert theory.mmc_response_survival(2, 1.0, 1.0, t) == pytest.approx(expected, rel=1e-12)
        nearby = theory.mmc_response_survival(2, 1.0 + 1e-7, 1.0, t)
        assert nearby == pytest.approx(expected, rel=1e-6)


def test_units_scale() -> None:
    assert theory.mmc_response_quantile(4, 180.0, 0.02, 0.99) == pytest.approx(12.193167 * 0.02)
    assert theory.md1_wait_quantile(45.0, 0.02, 0.99) == pytest.approx(21.89824 * 0.02)
    assert theory.mmck_mean_wait(4, 8, 180.0, 0.02) == pytest.approx(0.332038 * 0.02, abs=1e-8)
    assert theory.ps_mean_response(45.0, 0.02, size_s=0.1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("c", "places", "rho", "loss", "wait"),
    [
        (1, 10, 0.9, 0.050814, 3.646601),
        (1, 10, 1.0, 0.090909, 4.5),
        (1, 10, 1.2, 0.192586, 5.926138),
        (4, 8, 0.9, 0.096636, 0.332038),
        (4, 20, 1.1, 0.108322, 2.483173),
        (10, 20, 0.9, 0.029510, 0.263928),
    ],
)
def test_mmck(c: int, places: int, rho: float, loss: float, wait: float) -> None:
    assert theory.mmck_loss(c, places, c * rho, 1.0) == pytest.approx(loss, abs=1e-6)
    assert theory.mmck_mean_wait(c, places, c * rho, 1.0) == pytest.approx(wait, abs=1e-6)


def test_mmck_in_deep_overload_loses_the_excess() -> None:
    assert theory.mmck_loss(1, 2000, 10.0, 1.0) == pytest.approx(0.9)
    assert theory.mmck_loss(10, 10, 9.0, 1.0) == pytest.approx(theory.erlang_b(10, 9.0))
    assert theory.mmck_mean_wait(1, 3, 0.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("c", "offered", "loss"), [(4, 3.6, 0.270685), (10, 9, 0.167963), (100, 90, 0.026957)]
)
def test_erlang_b(c: int, offered: float, loss: float) -> None:
    assert theory.erlang_b(c, offered) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize(
    ("service", "waits"),
    [
        (Constant(1.0), (0.5, 1.166667, 2, 4.5, 9.5)),
        (Gamma.erlang(k=2, mean=1.0), (0.75, 1.75, 3, 6.75, 14.25)),
        (Exponential(1.0), (1, 2.333333, 4, 9, 19)),
        (H2, (2.5, 5.833333, 10, 22.5, 47.5)),
        (LogNormal.from_mean_sigma(1.0, math.sqrt(math.log(5.0))), (2.5, 5.833333, 10, 22.5, 47.5)),
        (LogNormal.from_mean_sigma(1.0, 1.0), (1.359141, 3.171329, 5.436564, 12.232268, 25.823677)),
    ],
    ids=["D", "E2", "M", "H2", "LN4", "LN1"],
)
def test_pollaczek_khinchine(service: Exponential, waits: tuple[float, ...]) -> None:
    for rho, wait in zip(RHOS, waits, strict=True):
        assert theory.mg1_mean_wait(rho, service) == pytest.approx(wait, abs=1e-6)


@pytest.mark.parametrize(
    ("rho", "quantiles"),
    [
        (0.5, (0, 1.51574, 2.05064, 3.33626, 5.16839)),
        (0.7, (0.72975, 3.07709, 4.10290, 6.48550, 9.89435)),
        (0.8, (1.27594, 5.01151, 6.62032, 10.35589, 15.70027)),
        (0.9, (3.01305, 10.78250, 14.12867, 21.89824, 33.01397)),
        (0.95, (6.48067, 22.30223, 29.11620, 44.93777, 67.5733)),
    ],
)
def test_md1_wait(rho: float, quantiles: tuple[float, ...]) -> None:
    for p, t in zip((0.5, 0.9, 0.95, 0.99, 0.999), quantiles, strict=True):
        assert theory.md1_wait_quantile(rho, 1.0, p) == pytest.approx(t, abs=1.1e-5)
    assert theory.md1_wait_cdf(rho, 1.0, 0.0) == pytest.approx(1.0 - rho)
    assert theory.md1_wait_cdf(rho, 1.0, 0.5) == pytest.approx((1.0 - rho) * math.exp(0.5 * rho))


@pytest.mark.parametrize(
    ("k", "rho", "expected"),
    [
        (2, 0.7, (0.615477, 1.600623, 11.976311, 17.964467)),
        (2, 0.8, (0.739853, 2.843980, 17.702181, 26.553272)),
        (2, 0.9, (0.868218, 6.588284, 34.945338, 52.418006)),
        (3, 0.7, (0.575863, 1.357727, 10.857736, 16.286604)),
        (3, 0.8, (0.710934, 2.459423, 15.931231, 23.896846)),
        (3, 0.9, (0.852610, 5.784724, 31.244810, 46.867216)),
        (5, 0.7, (0.537944, 1.164242, 9.966702, 14.950052)),
        (5, 0.8, (0.682767, 2.152257, 14.516679, 21.775018)),
        (5, 0.9, (0.837189, 5.142087, 28.285355, 42.428032)),
        (10, 0.7, (0.504903, 1.019804, 9.301543, 13.952314)),
        (10, 0.8, (0.657800, 1.922269, 13.457547, 20.186320)),
        (10, 0.9, (0.823330, 4.660276, 26.066536, 39.099804)),
        (100, 0.7, (0.471034, 0.890481, 8.705988, 13.058983)),
        (100, 0.8, (0.631765, 1.715660, 12.506078, 18.759118)),
        (100, 0.9, (0.808679, 4.226811, 24.070353, 36.105529)),
        (None, 0.7, (0.466996, 0.876160, 8.640036, None)),
        (None, 0.8, (0.628630, 1.692731, 12.400484, None)),
        (None, 0.9, (0.806900, 4.178659, 23.848608, None)),
    ],
)
def test_round_robin(k: int | None, rho: float, expected: tuple[float, float, float, float | None]) -> None:
    sigma, wait, p99, p999 = expected
    assert theory.ekm1_root(k, rho) == pytest.approx(sigma, abs=1e-6)
    assert theory.ekm1_mean_wait(k, rho, 1.0) == pytest.approx(wait, abs=1e-6)
    assert theory.ekm1_response_quantile(k, rho, 1.0, 0.99) == pytest.approx(p99, abs=1e-6)
    if p999 is not None:
        assert theory.ekm1_response_quantile(k, rho, 1.0, 0.999) == pytest.approx(p999, abs=1e-6)


def test_round_robin_over_one_pod_is_mm1() -> None:
    assert theory.ekm1_mean_wait(1, 0.9, 1.0) == pytest.approx(9.0)
    assert theory.ekm1_root(3, 0.0) == 0.0


def test_kingman_is_above_the_exact_wait_and_near_it() -> None:
    for rho, bound, exact in ((0.7, 5.8333, 5.573052), (0.8, 10.0, 9.819193), (0.9, 22.5, 22.408858)):
        assert theory.kingman_bound(rho, 4.0, 1.0, 1.0) == pytest.approx(bound, abs=1e-4)
        assert bound > exact


@pytest.mark.parametrize(
    ("d", "rho", "expected"),
    [
        (2, 0.5, (1.265686, 0.901587, 3.705874, 5.575363)),
        (2, 0.7, (1.614454, 1.214112, 4.499628, 6.560700)),
        (2, 0.8, (1.947363, 1.532851, 5.180642, 7.373864)),
        (2, 0.9, (2.614057, 2.201872, 6.403341, 8.790970)),
        (2, 0.95, (3.383046, 2.993730, 7.664576, 10.217693)),
        (2, 0.99, (5.431997, 5.102159, 10.626936, 13.496775)),
        (3, 0.9, (2.027856, 1.647190, 5.189483, 7.309383)),
        (5, 0.9, (1.632881, 1.273233, 4.380333, 6.324834)),
        (1, 0.9, (10.0, 6.931472, 29.957323, 46.051702)),
    ],
)
def test_shortest_of_d(d: int, rho: float, expected: tuple[float, ...]) -> None:
    mean, p50, p95, p99 = expected
    assert theory.choices_mean_response(d, rho, 1.0) == pytest.approx(mean, abs=1e-6)
    for p, value in ((0.5, p50), (0.95, p95), (0.99, p99)):
        assert theory.choices_response_quantile(d, rho, 1.0, p) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("rho", "tails"),
    [
        (0.9, (0.9, 0.729, 0.478297, 0.205891, 0.038152)),
        (0.7, (0.7, 0.343, 0.0823543, 0.00474756, 1.57775e-5)),
    ],
)
def test_shortest_of_two_tails(rho: float, tails: tuple[float, ...]) -> None:
    assert theory.choices_tails(2, rho)[1:6] == pytest.approx(tails, rel=1e-5)


@pytest.mark.parametrize(
    ("rho", "timeout", "retries", "low", "tipping"),
    [
        (0.5, 10, 3, 0.50351, 0.92951),
        (0.5, 5, 3, 0.56343, 0.82034),
        (0.7, 20, 3, 0.70180, 0.93089),
        (0.8, 20, 3, 0.82481, 0.88032),
        (0.7, 10, 1, 0.77061, 0.83659),
    ],
)
def test_two_states_under_retries(
    rho: float, timeout: float, retries: int, low: float, tipping: float
) -> None:
    assert theory.retry_load(rho, timeout, retries, 1.0) == pytest.approx(low, abs=1e-5)
    assert theory.retry_tipping_load(rho, timeout, retries, 1.0) == pytest.approx(tipping, abs=1e-5)
    assert theory.retry_load(rho, timeout * 0.02, retries, 0.02) == pytest.approx(low, abs=1e-5)


@pytest.mark.parametrize(
    ("timeout", "retries", "critical"),
    [
        (5, 1, 0.58525),
        (5, 3, 0.54521),
        (10, 1, 0.70473),
        (10, 3, 0.69372),
        (10, 5, 0.69360),
        (20, 3, 0.80796),
        (50, 3, 0.90336),
    ],
)
def test_critical_load_under_retries(timeout: float, retries: int, critical: float) -> None:
    assert theory.retry_critical_load(timeout, retries, 1.0) == pytest.approx(critical, abs=1e-5)


@pytest.mark.parametrize(
    ("rho", "variance", "at5", "at1"),
    [
        (0.5, 29, 4.5e4, 1.1e6),
        (0.7, 335.57, 9.5e4, 2.4e6),
        (0.8, 1976, 1.9e5, 4.7e6),
        (0.9, 35901, 6.8e5, 1.7e7),
        (0.95, 607601, 2.6e6, 6.5e7),
    ],
)
def test_sample_sizes(rho: float, variance: float, at5: float, at1: float) -> None:
    assert theory.wait_asymptotic_variance(rho) == pytest.approx(variance, rel=2e-5)
    assert theory.wait_asymptotic_variance(rho, 2.0) == pytest.approx(4.0 * variance, rel=2e-5)
    assert theory.customers_for_half_width(rho, 0.05) == pytest.approx(at5, rel=0.03)
    assert theory.customers_for_half_width(rho, 0.01) == pytest.approx(at1, rel=0.03)


def test_relaxation_time() -> None:
    assert theory.relaxation_time(0.9) == pytest.approx(380, abs=1)
    assert theory.relaxation_time(0.95) == pytest.approx(1560, abs=1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: theory.mm1_mean_wait(1.0, 1.0), r"load = 1.0 must be < 1: at or above it the queue grows"),
        (lambda: theory.mm1_mean_wait(-1.0, 1.0), r"arrivals_per_s = -1.0 must be finite and >= 0"),
        (lambda: theory.mm1_mean_wait(1.0, 0.0), r"service_s = 0.0 must be finite and > 0"),
        (lambda: theory.mmc_mean_wait(0, 1.0, 0.5), r"servers = 0 must be a whole number >= 1"),
        (lambda: theory.mm1_response_quantile(0.5, 1.0, 1.0), r"p = 1.0 must be in \[0, 1\)"),
        (lambda: theory.mmck_loss(4, 3, 1.0, 1.0), r"places = 3 must be a whole number >= 4"),
        (lambda: theory.retry_load(0.7, 10.0, 3, 1.0), r"rho = 0.7 must be >= 0 and < 0.693717"),
        (lambda: theory.retry_tipping_load(0.2, 10.0, 3, 1.0), r"rho \(retries \+ 1\) = 0.8 must be >= 1"),
        (lambda: theory.customers_for_half_width(0.5, 0.0), r"relative = 0.0 and rho = 0.5 must be > 0"),
    ],
)
def test_refused(call: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("p", [0.0, 0.01])
def test_quantiles_near_zero(p: float) -> None:
    assert theory.mmc_response_quantile(2, 1.0, 1.0, p) == pytest.approx(p, abs=0.01)
    assert theory.choices_response_quantile(2, 0.5, 1.0, p) == pytest.approx(p, abs=0.01)
    assert theory.md1_wait_quantile(0.5, 1.0, p) == 0.0
