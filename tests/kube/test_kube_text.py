"""Broken, hostile and merely unusual texts."""

from __future__ import annotations

import copy
import re
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from svcsim.errors import ManifestError
from svcsim.kube import parse_manifests
from svcsim.kube.reading.yamltext import line_in_yaml, yaml_documents

from .conftest import DEPLOYMENT, SERVICE

BOMB = "a: &a [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = [
    ("", r"^no Kubernetes object in f\.yaml$"),
    ("# only\n---\n# comments\n---\n", r"^no Kubernetes object in f\.yaml$"),
    ("{apiVersion: v1, kind: List, items: []}", r"^no Kubernetes object in f\.yaml$"),
    ("hello", r"^f\.yaml:1: a text, not a Kubernetes object: \"hello\"; accepted"),
    ("- a", r"^f\.yaml:1: a list, not a Kubernetes object"),
    ("42", r"^f\.yaml:1: a number, not a Kubernetes object"),
    ("a: 1\nb: 2", r"^f\.yaml:1: not a Kubernetes object: no apiVersion and no kind \(its keys: a, b\)"),
    ("apiVersion: v1\nmetadata: {}", r"^f\.yaml:1: kind is missing"),
    ("kind: Pod\nmetadata: {}", r"^f\.yaml:1: pod: apiVersion is missing"),
    ("apiVersion: v1\nkind: 7", r"^f\.yaml:2: kind = 7 must be text"),
    ("apiVersion: v1\nkind: Pod\nmetadata: {}", r"^f\.yaml:3: pod: metadata\.name is missing: every"),
    ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}", r"generateName asks the API server"),
    (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: 5}",
        r'^f\.yaml:3: pod: metadata\.name = 5 must be text: write "5"$',
    ),
    ("apiVersion: v1\nkind: Pod\nmetadata: [a]", r"^f\.yaml:3: pod: metadata = \[\"a\"\] must be a mapping"),
    ("apiVersion: v1\nkind: List\nitems: {}", r"^f\.yaml:3: items = {} must be a list of objects"),
    ("apiVersion: v1\nkind: List\nitems:\n- 5", r"^f\.yaml:4: items\[0\] = 5 must be a Kubernetes object"),
    ("a: 1\nb: 2\na: 3", r'^f\.yaml:3: duplicate key "a", first used in line 1$'),
    ("a:\n  b: 1\n\tc: 2", r"^f\.yaml:3: not YAML: .*indent with spaces, YAML takes no tabs$"),
    ("a: [1, 2", r"^f\.yaml:\d: not YAML: while parsing a flow sequence"),
    ('a: "b', r"^f\.yaml:\d: not YAML: .*unexpected end of stream"),
    (
        "a: !!python/object/apply:os.system [ls]",
        r"^f\.yaml:1: the YAML tag !!python/object/apply:os\.system is refused",
    ),
    ("a: !!python/name:os.system ''", r"^f\.yaml:1: the YAML tag .* is refused: manifests hold plain data"),
    ("a: !Ref b", r"^f\.yaml:1: the YAML tag !Ref is refused"),
    ("a: !!int b", r'^f\.yaml:1: "b" is not a YAML int$'),
    ("a: .inf", r"^f\.yaml:1: \.inf is not a number that JSON can hold"),
    ("a: &a [*a]", r"^f\.yaml:1: the alias \*a stands inside what it names$"),
    ("a: *b", r"^f\.yaml:1: the alias \*b names no anchor before it$"),
    (BOMB, r"^f\.yaml:\d: aliases expand to more than 1000000 values; write them out or split the file$"),
    ("? [a]\n: b", r"^f\.yaml:1: a mapping's key must be text"),
    ("<<: 5", r"^f\.yaml:1: the merge key << takes a mapping"),
    ("a: {{ .Values.a }}", r"^f\.yaml:1: .*helm template\)$"),
    ("a: b\n{{- if x }}\nc: d", r"^f\.yaml:\d: not YAML: .*a Helm template is rendered first"),
    ("[" * 5000, r"^f\.yaml:1: .*nest"),
    (
        "\n".join(" " * depth + "a:" for depth in range(900)),
        r"^f\.yaml:201: collections are nested deeper than 200",
    ),
    ("a: \x07", r"^f\.yaml:1: not YAML: control characters"),
    ('{"apiVersion": "v1",\n "kind": ', r"^f\.yaml:2: not JSON: .*; the file ends too early$"),
    ('{"a": 1, "a": 2}', r'^f\.yaml:1: in the JSON value that starts here: duplicate key "a"$'),
    ('{"a": NaN}', r"^f\.yaml:1: .*NaN is not JSON"),
    ('{"a":' * 100_000, r"^f\.yaml:1: the JSON value that starts here is nested too deeply$"),
]


@pytest.mark.parametrize(("text", "match"), REFUSED)
def test_refused_with_one_line(text: str, match: str) -> None:
    with pytest.raises(ManifestError, match=match) as caught:
        parse_manifests(text, "f.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        SERVICE.replace("\n", "\r\n"),
        f"---\n# a comment\n---\n{SERVICE}---\n---\n",
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}",
        '{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}}',
        '\t{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"port":80.0}]}}\n\n',
        f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"x"}}}}\n---\n{SERVICE}',
        "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: web}\n  spec: {ports: [{port: 80}]}\n",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: ["
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}]}",
        "apiVersion: v1\nkind: Service\nmetadata: &m {name: web, labels: &l {a: b}, annotations: *l}\n"
        "spec: {<<: {type: ClusterIP}, ports: [{port: 0x50}]}\n",
    ],
)
def test_one_service_in_many_spellings(text: str) -> None:
    service = parse_manifests(text, "f.yaml").service("web")
    assert [port.port for port in service.ports] == [80]


def test_json_values_in_a_row() -> None:
    one = '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%s"}}'
    assert parse_manifests(one % "a" + "\n" + one % "b", "watch.json").namespaces == ("a", "b")


def test_scalars_are_read_as_kubernetes_reads_them() -> None:
    text = (
        "{a: yes, b: off, c: y, d: 2024-01-01, e: 0o17, f: 017, g: 1e3, h: 1.5, "
        "i: ~, j: '1', k: 1:30, 5: x, l: 08}"
    )
    ((value, _),) = yaml_documents(text, "f.yaml")
    assert value == {
        "a": True,
        "b": False,
        "c": "y",
        "d": "2024-01-01",
        "e": 15,
        "f": 15,
        "g": 1000,
        "h": 1.5,
        "i": None,
        "j": "1",
        "k": "1:30",
        "5": "x",
        "l": 8,
    }


def test_merge_keys_give_way_to_own_keys() -> None:
    text = "base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\nall: {<<: [*b, *m], x: 3}\n"
    ((value, _),) = yaml_documents(text, "f.yaml")
    assert value["all"] == {"x": 3, "y": 1, "z": 2}


# numbers to Kubernetes' parser (go-yaml) and to JSON, text to PyYAML, which therefore does not quote them
EXPONENT = re.compile(r"[-+]?[0-9._]+[eE][-+]?[0-9]+")
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(st.characters(codec="ascii"), max_size=8).filter(lambda text: not EXPONENT.fullmatch(text)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz_", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=PLAIN, flow=st.booleans())
def test_what_yaml_writes_is_read_back(value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow)
    ((found, _),) = yaml_documents(text, "f.yaml")
    assert found == value


@given(value=st.dictionaries(st.text("abcxyz", min_size=1), PLAIN, min_size=1, max_size=4))
def test_the_line_of_a_key_is_where_it_stands(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, default_flow_style=False)
    lines = text.split("\n")
    for key in value:
        line = line_in_yaml(text, 0, (key,))
        assert line is not None
        (read,) = yaml.safe_load(lines[line - 1].split(":")[0] + ": 0")
        assert read == key


def paths(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [prefix] + [path for name, inner in items for path in paths(inner, (*prefix, name))]


RICH = [
    yaml.safe_load(
        DEPLOYMENT.replace(
            "name: nginx\n",
            "name: nginx\n        readinessProbe: {httpGet: {port: http}, periodSeconds: 5}\n"
            "        lifecycle: {preStop: {exec: {command: [sleep, '5']}}}\n"
            "        resources: {limits: {cpu: 1}}\n",
        ).replace(
            "replicas: 3", "replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}"
        )
    ),
    yaml.safe_load(SERVICE.replace("spec:\n", "spec:\n  type: LoadBalancer\n  sessionAffinity: ClientIP\n")),
    yaml.safe_load(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, ownerReferences: [{kind: ReplicaSet, name: x, "
        "controller: true}], labels: {app: web}}, spec: {containers: [{name: c}]}, status: {phase: Running, "
        "podIP: 10.0.0.1, startTime: '2024-01-01T00:00:00Z', conditions: [{type: Ready, status: 'True', "
        "lastTransitionTime: '2024-01-01T00:00:00Z'}], containerStatuses: [{restartCount: 1}]}}"
    ),
]
SPOTS = [(which, path) for which, one in enumerate(RICH) for path in paths(one) if path]
ANYTHING = st.sampled_from(
    [None, True, 0, -1, 7, 2**40, 1.5, "", "x", "1", [], [None], ["a"], {}, {"a": 1}, {"a": []}]
)


@settings(max_examples=1500)
@given(spot=st.sampled_from(SPOTS), new=ANYTHING, as_yaml=st.booleans())
def test_any_value_anywhere_is_read_or_refused_with_one_line(
    spot: tuple[int, tuple[str | int, ...]], new: Any, as_yaml: bool
) -> None:
    which, path = spot
    whole = copy.deepcopy(RICH)
    parent: Any = whole[which]
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = new
    text = (
        yaml.safe_dump_all(whole)
        if as_yaml
        else "\n".join(msgspec.json.encode(one).decode() for one in whole)
    )
    try:
        manifests = parse_manifests(text, "f.yaml")
    except ManifestError as error:
        message = str(error)
        assert message.startswith("f.yaml:")
        assert "\n" not in message
    else:
        assert all("\n" not in line for line in manifests.warnings)
