"""The JSON schema of scenario files, for editors."""

from __future__ import annotations

from typing import Any

import msgspec

from svcsim.scenario.files.layer import ScenarioFile

__all__ = ["json_schema"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a scenario file.

    It knows keys, types, bounds and words; rules between fields are checked when a scenario is read.

    >>> json_schema()["title"]
    'svcsim scenario'
    """
    found = msgspec.json.schema(ScenarioFile)
    return {"$schema": DRAFT, "title": "svcsim scenario", **found}
