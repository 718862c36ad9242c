"""Paths, folders, globs, standard input, and the real manifests."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from svcsim.errors import ManifestError
from svcsim.kube import ManifestSet, load_manifests
from svcsim.kube.reading import files

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "manifests"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real manifests are not beside the repository")


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(manifests: ManifestSet) -> list[str]:
    return [str(one.key) for one in (*manifests.workloads, *manifests.services)]


def test_files_folders_globs_and_standard_input(tmp_path: Path, deployment: str, service: str) -> None:
    write(
        tmp_path,
        a_yaml=deployment,
        sub__b_yml=service,
        sub__deep__c_json='{"apiVersion":"v1","kind":"Namespace"}',
    )
    assert names(load_manifests(["a.yaml"], base=tmp_path)) == ["deployment/web"]
    assert names(load_manifests([tmp_path / "sub" / "b.yml", "-"], stdin=io.StringIO(deployment))) == [
        "deployment/web",
        "service/web",
    ]
    assert names(load_manifests(["sub/*.yml", "a*"], base=tmp_path)) == ["deployment/web", "service/web"]
    with pytest.raises(ManifestError, match=r"^sub/deep/c\.json:1: namespace: metadata\.name is missing"):
        load_manifests(["."], base=tmp_path)


def test_standard_input_in_bytes(service: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(service.encode("utf-16")))
    assert names(load_manifests(["-", "-"], stdin=stream)) == ["service/web"]
    with pytest.raises(ManifestError, match=r"^no Kubernetes object in standard input$"):
        load_manifests(["-"], stdin=io.StringIO(""))


def test_a_file_reached_twice_is_read_once(tmp_path: Path, service: str) -> None:
    write(tmp_path, a_yaml=service)
    manifests = load_manifests(["a.yaml", ".", "*.yaml"], base=tmp_path)
    assert names(manifests) == ["service/web"]
    assert not any("declared twice" in line for line in manifests.warnings)


def test_of_two_declarations_the_later_counts(tmp_path: Path, deployment: str) -> None:
    write(tmp_path, a_yaml=deployment, b_yaml="# b\n" + deployment.replace("replicas: 3", "replicas: 5"))
    manifests = load_manifests(["a.yaml", "b.yaml"], base=tmp_path)
    assert manifests.workloads[0].replicas == 5
    assert manifests.warnings == (
        "deployment/web is declared twice, at a.yaml:1 and at b.yaml:2; the later one counts",
    )


def test_what_is_no_manifest_is_skipped_in_a_folder_and_refused_by_name(tmp_path: Path, service: str) -> None:
    write(
        tmp_path,
        web_yaml=service,
        values_yaml="replicaCount: 3",
        list_json="[1]",
        empty_yaml="# nothing",
        kustomization_yaml="resources: [web.yaml]",
        x__kustomization_yaml="apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization",
    )
    manifests = load_manifests([tmp_path.name], base=tmp_path.parent)
    here = tmp_path.name
    skipped = "kustomization skipped: its patches, prefixes and generators do not apply "
    skipped += "(pipe `kubectl kustomize` into - instead)"
    assert names(manifests) == ["service/web"]
    assert manifests.warnings[:4] == (
        f"{here}/kustomization.yaml: {skipped}",
        f"{here}/list.json:1: a list, not a Kubernetes object: [1]; skipped",
        f"{here}/values.yaml:1: not a Kubernetes object: no apiVersion and no kind (its keys: replicaCount)"
        "; skipped",
        f"{here}/x/kustomization.yaml: {skipped}",
    )
    for name, match in [
        ("values.yaml", r"^values\.yaml:1: not a Kubernetes object"),
        ("list.json", r"^list\.json:1: a list, not a Kubernetes object"),
        ("kustomization.yaml", r"^kustomization\.yaml:1: a kustomization, not a manifest; name its folder"),
        ("empty.yaml", r"^no Kubernetes object in empty\.yaml$"),
    ]:
        with pytest.raises(ManifestError, match=match):
            load_manifests([name], base=tmp_path)
    both = load_manifests(["empty.yaml", "web.yaml"], base=tmp_path)
    assert both.warnings[0] == "empty.yaml: no Kubernetes object in it"


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("missing.yaml", r"^missing\.yaml: no such file or folder$"),
        ("*.yaml", r"^\*\.yaml: no file matches this pattern$"),
        ("hollow", r"^hollow: no manifest in this folder"),
        ("https://example.com/web.yaml", r"^https://example\.com/web\.yaml: svcsim does not download"),
        ("binary.txt", r"^binary\.txt: not text: byte 1 is not UTF-8; accepted: YAML or JSON text$"),
        ("nul.txt", r"^nul\.txt: not text: byte 1 is NUL"),
        ("big.txt", r"^big\.txt: more than 10 bytes; svcsim reads no larger file: split it$"),
    ],
)
def test_paths_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, match: str
) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "binary.txt").write_bytes(b"a\xff\xff")
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "big.txt").write_bytes(b"a" * 11)
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(ManifestError, match=match):
        load_manifests([path], base=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("")
    (tmp_path / "secret.yaml").chmod(0)
    with pytest.raises(ManifestError, match=r"^secret\.yaml: cannot be read: Permission denied$"):
        load_manifests(["secret.yaml"], base=tmp_path)


def test_no_paths_at_all() -> None:
    with pytest.raises(ManifestError, match=r"^no Kubernetes object in no input at all$"):
        load_manifests([])


@needs_real
@pytest.mark.parametrize(
    ("paths", "services", "workloads"),
    [
        (["guestbook-all-in-one.yaml"], 3, 3),
        (["online-boutique.yaml"], 12, 12),
        (["hotel-reservation"], 12, 12),
        (["ingress-nginx-cloud.yaml"], 2, 1),
        (["podinfo/frontend", "podinfo/backend", "podinfo/cache", "podinfo/database"], 5, 5),
        (["podinfo/kustomize-*.yaml"], 1, 1),
    ],
)
def test_real_manifests(paths: list[str], services: int, workloads: int) -> None:
    manifests = load_manifests(paths, base=REAL)
    assert (len(manifests.services), len(manifests.workloads)) == (services, workloads)
    assert all(one.key.kind in ("Deployment", "StatefulSet") for one in manifests.workloads)
    assert not any("is not a field" in line for line in manifests.warnings)


@needs_real
def test_all_real_manifests_at_once() -> None:
    manifests = load_manifests([REAL])
    twice = sum("is declared twice" in line for line in manifests.warnings)
    assert (len(manifests.services) + len(manifests.workloads), twice) == (63, 35 + 34 - 63)


@needs_real
def test_every_real_file_loads_alone() -> None:
    for path in sorted(REAL.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            load_manifests([path])


@needs_real
def test_ingress_nginx_field_by_field() -> None:
    manifests = load_manifests(["ingress-nginx-cloud.yaml"], base=REAL)
    assert manifests.namespaces == ("ingress-nginx",)
    (controller,) = manifests.workloads
    assert str(controller.key) == "ingress-nginx/deployment/ingress-nginx-controller"
    assert controller.template.termination_grace_period_seconds == 300
    assert controller.strategy is not None
    assert (str(controller.strategy.max_surge), str(controller.strategy.max_unavailable)) == ("25%", "1")
    (container,) = controller.template.containers
    assert container.pre_stop is not None
    assert not container.pre_stop.known
    front = manifests.service("ingress-nginx/svc/ingress-nginx-controller")
    assert (front.type, front.external_traffic_policy) == ("LoadBalancer", "Local")
    assert front.health_check_node_port is not None
    assert all(port.node_port is not None for port in front.ports)
    assert not any("externalTrafficPolicy" in line for line in manifests.warnings)
