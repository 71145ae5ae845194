"""The committed files: made by the code, laid out without overlaps, and complete."""

import json
import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards import dashboards
from grafana.generate import generated
from grafana.parts import SOURCE
from grafana.words import LANGUAGES

ROOM = Path(__file__).parents[2] / "grafana"
FILES = sorted((ROOM / "dashboards").rglob("*.json"))
PROVISIONED = sorted((ROOM / "provisioning").rglob("*.yaml"))


def _model(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _everything(node: Any) -> list[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [node, *(one for child in children for one in _everything(child))]


def test_the_committed_files_are_what_the_code_makes() -> None:
    made = generated()
    assert {path for path in made if path.suffix == ".json"} == set(FILES)
    assert len(FILES) == 8
    for path, content in made.items():
        assert path.read_text(encoding="utf-8") == content, f"run `python -m grafana.generate`: {path.name} differs"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_layout_fits(path: Path) -> None:
    model = _model(path)
    panels = model["panels"]
    assert sorted(panel["id"] for panel in panels) == list(range(1, len(panels) + 1))
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24
        assert panel["title"] and panel["description"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    tops = sorted({panel["gridPos"]["y"] for panel in panels})
    assert tops[0] == 0
    for top, following in pairwise(tops):
        assert max(p["gridPos"]["h"] for p in panels if p["gridPos"]["y"] == top) == following - top


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_one_data_source_and_no_link_into_the_void(path: Path) -> None:
    model = _model(path)
    sources = [node for node in _everything(model) if isinstance(node, dict) and set(node) == {"type", "uid"}]
    assert {(one["type"], one["uid"]) for one in sources} == {(SOURCE.type_val, SOURCE.uid)}
    uids = {_model(other)["uid"] for other in FILES}
    text = path.read_text(encoding="utf-8")
    links = re.findall(r'"/d/([\w-]+)', text)
    assert set(links) <= uids
    variables = {one["name"] for one in model["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+):(?:sqlstring|queryparam)\}", text)) | ({"bucket"} if '"$bucket"' in text else set())
    assert used <= variables
    fields = {name for name in re.findall(r"__data\.fields\.(\w+)", text)}
    assert all(name in text.replace(f"__data.fields.{name}", "") for name in fields)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_is_null_stays_a_gap(path: Path) -> None:
    for panel in _model(path)["panels"]:
        if panel["type"] in ("timeseries", "trend"):
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


def test_both_languages_have_every_title_and_differ_in_nothing_else() -> None:
    korean, english = (dashboards(language) for language in LANGUAGES)
    for name, model in korean.items():
        titles = [panel["title"] for panel in model["panels"]]
        others = [panel["title"] for panel in english[name]["panels"]]
        assert all(re.search("[가-힣]", title) for title in titles)
        assert not any(re.search("[가-힣]", title) for title in others)
        sql, other = ([t["rawSql"] for p in one["panels"] for t in p["targets"]] for one in (model, english[name]))
        assert sql == other


def test_no_comment_in_a_statement_is_replaced_by_grafana() -> None:
    for path in FILES:
        for node in _everything(_model(path)):
            if isinstance(node, dict) and "rawSql" in node:
                comments = [line for line in node["rawSql"].splitlines() if line.strip().startswith("--")]
                assert [line for line in comments if "$" in line] == []


def test_live_refreshes_every_five_seconds_and_the_broadcast_follows_the_channel() -> None:
    live, broadcast = (_model(ROOM / "dashboards" / "ko" / f"{name}.json") for name in ("live", "broadcast"))
    assert live["refresh"] == "5s"
    variables = {one["name"]: one for one in broadcast["templating"]["list"]}
    assert "${channel:sqlstring}" in variables["broadcast"]["query"]
    assert list(variables).index("channel") < list(variables).index("broadcast")


@pytest.mark.parametrize("path", PROVISIONED, ids=lambda path: path.stem)
def test_provisioning_is_read_and_holds_no_secret(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content["apiVersion"] == 1
    assert len(content) == 2
    for node in _everything(content):
        if isinstance(node, dict):
            assert all(str(value).startswith("$NOKCHART_") for key, value in node.items() if key in ("password", "url") and key != "url")


def test_provisioning_points_at_what_is_there() -> None:
    (source,) = yaml.safe_load((ROOM / "provisioning/datasources/nokchart.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["user"]) == (SOURCE.uid, SOURCE.type_val, "nokchart_reader")
    (group,) = yaml.safe_load((ROOM / "provisioning/alerting/rules.yaml").read_text())["groups"]
    assert [rule["uid"] for rule in group["rules"]] == [
        "nokchart-collector-stale",
        "nokchart-gap-open",
        "nokchart-job-late",
        "nokchart-disk",
    ]
    for rule in group["rules"]:
        assert [one["refId"] for one in rule["data"]] == ["A", "B"] and rule["condition"] == "B"
    (contact,) = yaml.safe_load((ROOM / "provisioning/alerting/contact-points.yaml").read_text())["contactPoints"]
    (policy,) = yaml.safe_load((ROOM / "provisioning/alerting/policies.yaml").read_text())["policies"]
    assert policy["receiver"] == contact["name"]
