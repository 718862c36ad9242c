"""What the README shows is what svcsim has."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import yaml

import svcsim
from svcsim.cli import main
from svcsim.scenario import json_schema

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_of_defaults_is_the_present_one(capsys) -> None:
    assert main(["defaults", "--markdown"]) == 0
    table = capsys.readouterr().out.strip()
    between = README.split("-->", 1)[1].split("<!-- end of defaults", 1)[0].strip()
    assert between == table


def test_the_scenario_of_the_readme_is_one(tmp_path: Path) -> None:
    text = README.split("```yaml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "web.yaml").write_text(
        (Path(svcsim.__file__).parent / "scenario" / "examples" / "web.yaml").read_text()
    )
    assert svcsim.parse_scenario(text, base=tmp_path).name == "rolling update, ten replicas"
    assert set(yaml.safe_load(text)) <= set(json_schema()["$defs"]["ScenarioFile"]["properties"])


def test_every_public_name_is_there() -> None:
    for name in svcsim.__all__:
        assert not isinstance(getattr(svcsim, name), ModuleType), name
    assert sorted(svcsim.__all__) == dir(svcsim)
