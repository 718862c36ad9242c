"""The page: all of it there, all of it escaped, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from svcsim.report import FIGURES, draw, write_report
from svcsim.report.answer import answer, reasons
from svcsim.report.pictures import drawn
from svcsim.report.setting import setting_of
from svcsim.results.result import Result
from tests.report.made import EVIL, empty_result, rollout

SECTIONS = (
    "answer",
    "what-happened",
    "by-path",
    "why",
    "the-lag",
    "how-fast",
    "warnings",
    "assumptions",
    "not-modelled",
    "provenance",
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Ids, tags and text of a page, and whether its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href"):
                self.links.append(value or "")
            assert not name.startswith("on")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(simulated: Result, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    path = write_report(simulated, tmp_path_factory.mktemp("out"))
    return path, Page(path.read_text(encoding="utf-8"))


def test_the_page_has_every_section_and_figure(written: tuple[Path, Page]) -> None:
    _, page = written
    assert [name for name in SECTIONS if name not in page.ids] == []
    assert [name for name in FIGURES if name not in page.ids] == []
    for words in ("Through the cluster IP (vip)", "minSync", "measured", "seed", "ten <b>pods</b> & more"):
        assert words in page.text
    assert "parse_scenario" not in page.text


def test_no_id_occurs_twice(written: tuple[Path, Page]) -> None:
    assert len(set(written[1].ids)) == len(written[1].ids)


def test_every_link_leads_into_the_page(written: tuple[Path, Page]) -> None:
    path, page = written
    outside = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert not outside
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {found[1:] for found in re.findall(r"url\((#[^)]*)\)", path.read_text(encoding="utf-8"))} <= set(
        page.ids
    )
    assert not {"script", "link", "iframe", "img"} & page.tags


def test_figures_are_files_too(written: tuple[Path, Page]) -> None:
    folder = written[0].parent / "figures"
    assert {file.name for file in folder.iterdir()} == {f"{name}.png" for name in FIGURES}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in folder.iterdir())


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    result = rollout(
        clients=((EVIL, EVIL), (f'"><{EVIL}', "cluster-ip")),
        workload=f"deployment/{EVIL}",
        scenario=EVIL,
        scenario_yaml=EVIL,
    )
    lag = result.lag.assign(stage=EVIL)
    causes = result.causes.assign(stage=EVIL)
    nasty = Result(**{**vars(result), "lag": lag, "causes": causes, "warnings": (EVIL, "-->" + EVIL)})
    text = write_report(nasty, tmp_path, title=EVIL).read_text(encoding="utf-8")
    assert "<script" not in text.lower()
    assert "&lt;script&gt;" in text
    assert EVIL in Page(text).text


@pytest.mark.parametrize("name", FIGURES)
def test_an_svg_is_well_formed_and_follows_the_scheme(name: str, simulated: Result) -> None:
    svg = str(drawn(name, setting_of(simulated)).svg)
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"]
    assert "<!--" not in svg and "<metadata" not in svg and "<script" not in svg
    assert "var(--ink)" in svg and "#1f2328" not in svg


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_result_gives_the_same_picture(name: str, simulated: Result) -> None:
    first, second = (drawn(name, setting_of(simulated)) for _ in range(2))
    assert first == second
    assert draw(name, simulated) == first.png


def test_the_same_result_gives_the_same_page(simulated: Result, tmp_path: Path) -> None:
    first = write_report(simulated, tmp_path).read_bytes()
    assert write_report(simulated, str(tmp_path)).read_bytes() == first
    simulated.save(tmp_path)
    assert write_report(Result.read(tmp_path), tmp_path).read_bytes() == first


@pytest.mark.parametrize(
    "result",
    [empty_result(), rollout(failing=False), rollout(replications=1), rollout(pods=2, clients=())],
    ids=["empty", "no failure", "one replication", "no client"],
)
def test_a_result_without_much_is_still_a_page(result: Result, tmp_path: Path) -> None:
    page = Page(write_report(result, tmp_path / "new" / "folder").read_text(encoding="utf-8"))
    assert set(SECTIONS) <= set(page.ids)
    assert "nan" not in page.text.lower().split()


def test_the_answer_is_one_sentence_with_intervals() -> None:
    (sentence,) = answer(setting_of(rollout()))
    assert sentence == (
        "Through the cluster IP (vip), 0.45 of 10,000 requests failed [0.405, 0.495]; "
        "through a pod IP looked up once (pinned), 4.5 of 10,000 requests failed [4.05, 4.95]."
    )


def test_the_answer_says_what_no_failure_means() -> None:
    (sentence,) = answer(setting_of(rollout(failing=False, clients=(("vip", "cluster-ip"),))))
    assert sentence == (
        "Through the cluster IP (vip), none of 1,000,000 requests failed in 20 replications "
        "(95% sure: fewer than 13.9% of such runs lose any)."
    )


def test_many_clients_get_a_sentence_each() -> None:
    clients = tuple((f"c{k}", "pod-ip every 30s") for k in range(5))
    sentences = answer(setting_of(rollout(clients=clients)))
    assert len(sentences) == 5
    assert sentences[0].startswith("Through a pod IP looked up every 30 s (c0), ")


def test_the_reason_is_the_biggest_cause_and_stage() -> None:
    first = reasons(setting_of(rollout()))[0]
    assert first.startswith("vip: stale endpoint in 100% of 45 failures, ")
    assert "while kube-proxy waited to begin a sync" in first


def test_the_setting_is_read_off_the_scenario(simulated: Result) -> None:
    setting = setting_of(simulated)
    assert list(setting.summary["via"]) == ["cluster-ip", "pod-ip every 30s"]
    assert setting.target == "service/web"
    assert setting.clients == ("vip", EVIL)
    assert set(setting.pods["workload"]) == {"deployment/web"}
    assert setting.events == ((10.0, "rollout deployment/web"), (40.0, "rate vip to 50/s"))
    assert setting.end_s == 60.0


def test_weights_make_up_for_rows_left_out() -> None:
    result = rollout(clients=(("a", "cluster-ip"), ("b", "pod-ip once"), ("c", "loopback")))
    setting = setting_of(result)
    total = setting.failures.assign(weight=setting.weights).groupby("client")["weight"].sum()
    assert total.to_dict() == pytest.approx(result.summary.set_index("client")["failed"].to_dict())


def test_a_scenario_of_another_version_does_not_matter(tmp_path: Path) -> None:
    setting = setting_of(rollout(scenario_yaml="nonsense: ["))
    assert setting.events == () and setting.target == ""
