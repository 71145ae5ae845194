"""The dashboards are what Grafana's own types say, by a JSON Schema that is made from them (schema/make_schema.mjs)."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "schema" / "grafana.schema.json").read_text())
FILES = sorted((HERE.parents[1] / "grafana" / "dashboards").rglob("*.json"))


def _complaints(model: Any, schema: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in Draft7Validator(schema).iter_errors(model)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_dashboard_and_panels_are_valid(path: Path) -> None:
    model = json.loads(path.read_text(encoding="utf-8"))
    assert _complaints(model, SCHEMA["dashboard"]) == []
    for panel in model["panels"]:
        kind = SCHEMA["panels"][panel["type"]]
        assert _complaints(panel["options"], kind["options"]) == [], panel["title"]
        if "custom" in kind:
            # whole by Grafana's defaults; what is there must be right
            partial = {
                key: value for key, value in kind["custom"]["definitions"]["FieldConfig"].items() if key != "required"
            }
            schema = kind["custom"] | {"definitions": kind["custom"]["definitions"] | {"FieldConfig": partial}}
            assert _complaints(panel["fieldConfig"]["defaults"].get("custom", {}), schema) == [], panel["title"]


def test_a_wrong_dashboard_is_refused() -> None:
    model = json.loads(FILES[0].read_text(encoding="utf-8"))
    model["panels"][0]["gridPos"]["w"] = "wide"
    model["templating"]["list"][0]["type"] = "guess"
    assert len(_complaints(model, SCHEMA["dashboard"])) >= 1
    assert _complaints({"legend": {"displayMode": "sideways"}}, SCHEMA["panels"]["timeseries"]["options"]) != []
