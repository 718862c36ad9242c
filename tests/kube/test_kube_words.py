"""Quantities, selectors, keys, endpoint categories."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcsim.errors import ManifestError
from svcsim.kube import (
    Conditions,
    Endpoint,
    ObjectKey,
    Requirement,
    Selector,
    categorize,
    conditions,
    parse_key,
    parse_quantity,
    parse_target,
    selects,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1", 1),
        (2, 2),
        (0.5, Fraction(1, 2)),
        ("250m", Fraction(1, 4)),
        ("100n", Fraction(1, 10**7)),
        ("1.", 1),
        (".5", Fraction(1, 2)),
        ("1.5Gi", 3 * 2**29),
        ("1k", 1000),
        ("2Ei", 2**61),
        ("1E", 10**18),
        ("1E3", 1000),
        ("5e-3", Fraction(1, 200)),
        ("+3", 3),
        ("-1.5Ki", -1536),
    ],
)
def test_quantities(text: str | float, value: Fraction | int) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text", ["", "m", "1 Gi", "1gi", "100mm", "1KiB", "0x10", "1e", "1e1.5", "--1", "1,5", True]
)
def test_no_quantities(text: str) -> None:
    with pytest.raises(ManifestError, match=r"is not a quantity \(accepted: a decimal number"):
        parse_quantity(text)


@given(
    number=st.integers(-(10**12), 10**12),
    shift=st.integers(0, 6),
    suffix=st.sampled_from(["", "m", "k", "Ki", "Gi"]),
)
def test_quantities_are_exact(number: int, shift: int, suffix: str) -> None:
    sign, digits = ("-" if number < 0 else ""), f"{abs(number):0{shift + 1}d}"
    text = f"{sign}{digits[: len(digits) - shift]}.{digits[len(digits) - shift :]}" if shift else str(number)
    unit = {
        "": Fraction(1),
        "m": Fraction(1, 1000),
        "k": Fraction(1000),
        "Ki": Fraction(1024),
        "Gi": Fraction(2**30),
    }
    assert parse_quantity(text + suffix) == Fraction(number, 10**shift) * unit[suffix]


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)


@given(wanted=LABELS, labels=LABELS)
def test_equality_selectors(wanted: dict[str, str], labels: dict[str, str]) -> None:
    inside = wanted.items() <= labels.items()
    assert Selector.equal(wanted).matches(labels) == inside
    assert selects(wanted, labels) == (inside and bool(wanted))


@given(
    labels=LABELS, key=st.sampled_from("abc"), values=st.lists(st.sampled_from("xyz"), min_size=1).map(tuple)
)
def test_set_selectors(labels: dict[str, str], key: str, values: tuple[str, ...]) -> None:
    is_in = Requirement(key=key, operator="In", values=values).matches(labels)
    assert is_in == any(labels.get(key) == value for value in values)
    assert Requirement(key=key, operator="NotIn", values=values).matches(labels) == (not is_in)
    assert Requirement(key=key, operator="Exists").matches(labels) == (key in labels)
    assert Requirement(key=key, operator="DoesNotExist").matches(labels) == (key not in labels)


@given(labels=LABELS, first=LABELS, second=LABELS)
def test_clauses_are_joined_by_and(
    labels: dict[str, str], first: dict[str, str], second: dict[str, str]
) -> None:
    both = Selector(requirements=Selector.equal(first).requirements + Selector.equal(second).requirements)
    assert both.matches(labels) == (
        Selector.equal(first).matches(labels) and Selector.equal(second).matches(labels)
    )


def test_an_empty_selector_matches_all_and_no_service_selector_nothing() -> None:
    assert Selector().matches({"a": "x"})
    assert not selects(None, {"a": "x"})
    assert not selects({}, {"a": "x"})


def test_selectors_are_shown_as_kubectl_shows_them() -> None:
    selector = Selector(
        requirements=(
            Requirement(key="a", operator="In", values=("x",)),
            Requirement(key="b", operator="NotIn", values=("x", "y")),
            Requirement(key="c", operator="Exists"),
            Requirement(key="d", operator="DoesNotExist"),
        )
    )
    assert str(selector) == "a=x,b notin (x,y),c,!d"


@pytest.mark.parametrize(("operator", "values"), [("In", ()), ("Exists", ("x",))])
def test_a_requirement_checks_its_values(operator: str, values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"^operator \w+ takes"):
        Requirement(key="a", operator=operator, values=values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "namespace", "name", "container"),
    [
        ("deployment/web", "Deployment", "default", "web", None),
        ("Deploy/web", "Deployment", "default", "web", None),
        ("svc/web", "Service", "default", "web", None),
        ("shop/rs/web", "ReplicaSet", "shop", "web", None),
        ("rc/web", "ReplicationController", "default", "web", None),
        ("pods/web-1.x", "Pod", "default", "web-1.x", None),
        ("po/web/nginx", "Pod", "default", "web", "nginx"),
        ("shop/po/web/nginx", "Pod", "shop", "web", "nginx"),
        ("service/pod/web/nginx", "Pod", "service", "web", "nginx"),
        ("ns/shop", "Namespace", "", "shop", None),
    ],
)
def test_keys(text: str, kind: str, namespace: str, name: str, container: str | None) -> None:
    key = ObjectKey(kind=kind, namespace=namespace, name=name)
    assert parse_target(text) == (key, container)
    if container is None:
        assert parse_key(text) == key


@given(
    kind=st.sampled_from(["Deployment", "ReplicaSet", "Service", "Pod", "Namespace"]),
    namespace=st.sampled_from(["default", "shop", "kube-system"]),
    name=st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True),
)
def test_keys_are_read_as_they_are_shown(kind: str, namespace: str, name: str) -> None:
    key = ObjectKey(kind=kind, namespace="" if kind == "Namespace" else namespace, name=name)
    assert parse_key(str(key)) == key


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("web", r"^'web' is not KIND/NAME, NAMESPACE/KIND/NAME"),
        ("a/b/c/d/e", r"is not KIND/NAME"),
        ("svc//web", r"is not KIND/NAME"),
        ("deplyoment/web", r"^'deplyoment/web': unknown kind 'deplyoment' .*; did you mean 'deployment'\?$"),
        ("shop/servce/web", r"unknown kind 'servce' .*did you mean 'service'\?$"),
        ("teapot/web", r"unknown kind 'teapot' \(accepted: deployment, [^)]*\)$"),
        ("svc/Web", r"'Web' is not a DNS-1123 name"),
        ("svc/web/nginx", r"names a container; accepted: KIND/NAME or NAMESPACE/KIND/NAME$"),
    ],
)
def test_no_keys(text: str, match: str) -> None:
    with pytest.raises(ManifestError, match=match):
        parse_key(text)


@pytest.mark.parametrize(
    ("pod_ready", "deleting", "expected"),
    [(False, False, "F/F/F"), (True, False, "T/T/F"), (True, True, "F/T/T"), (False, True, "F/F/T")],
)
def test_conditions_of_a_pod_with_an_address(pod_ready: bool, deleting: bool, expected: str) -> None:
    assert str(conditions(has_ip=True, terminal=False, pod_ready=pod_ready, deleting=deleting)) == expected
    published = conditions(
        has_ip=True, terminal=False, pod_ready=pod_ready, deleting=deleting, publish_not_ready=True
    )
    assert str(published) == "T" + expected[1:]


@pytest.mark.parametrize(("has_ip", "terminal"), [(False, False), (True, True), (False, True)])
def test_pods_without_address_or_life_are_absent(has_ip: bool, terminal: bool) -> None:
    for ready, deleting, publish in itertools.product([False, True], repeat=3):
        assert (
            conditions(
                has_ip=has_ip,
                terminal=terminal,
                pod_ready=ready,
                deleting=deleting,
                publish_not_ready=publish,
            )
            is None
        )


def endpoint(ip: str, flags: str, port: int = 80) -> Endpoint:
    ready, serving, terminating = (flag == "T" for flag in flags)
    return Endpoint(
        ip=ip, port=port, conditions=Conditions(ready=ready, serving=serving, terminating=terminating)
    )


@pytest.mark.parametrize(
    ("states", "usable"),
    [
        ("TTF TTF", "ab"),
        ("TTF FTT", "a"),
        ("FTT FTT", "ab"),
        ("FTT FFT", "a"),
        ("FFF FFT", ""),
        ("FTF FTT", "b"),
        ("", ""),
    ],
)
def test_categorize(states: str, usable: str) -> None:
    listed = [endpoint(ip, flags) for ip, flags in zip("ab", states.split(), strict=False)]
    assert "".join(one.ip for one in categorize(listed)) == usable


def test_categorize_orders_by_text_and_prefers_the_living() -> None:
    listed = [endpoint("10.0.0.2", "TTF"), endpoint("10.0.0.10", "FTT"), endpoint("10.0.0.10", "TTF")]
    assert [str(one) for one in categorize(listed)] == ["10.0.0.10:80", "10.0.0.2:80"]
    assert str(endpoint("fd00::1", "TTF")) == "[fd00::1]:80"
