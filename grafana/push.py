"""The committed dashboards, their folder and their data source, brought into somebody's Grafana."""

import difflib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from grafana.server import Api, GrafanaRefused, as_object, found, words_of
from grafana.words import Language

UID = "nokchart"
"""Of the data source and of the folder, here and in provisioning."""

READER = "nokchart_reader"

# What a version of ours is called in Grafana's list of versions: any other newest one is somebody's work.
_MESSAGE = "nokchart grafana push"
_TYPE = "grafana-postgresql-datasource"


@dataclass(frozen=True)
class Source:
    """A database as Grafana reaches it, with the reader's password."""

    address: str
    """host:port"""
    database: str
    password: str
    sslmode: str


@dataclass(frozen=True)
class Change:
    """A dashboard: what is there, and what is to be there."""

    name: str
    wanted: dict[str, Any]
    there: dict[str, Any] | None
    """None: there is none yet."""
    folder: str
    """The uid of the folder it is in, or goes to: who moved it keeps it there."""
    changed_by_hand: bool

    @property
    def state(self) -> str:
        """new, changed or unchanged."""
        if self.there is None:
            return "new"
        return "unchanged" if _shown(self.there) == self.wanted else "changed"

    def diff(self) -> str:
        """What would change, as a unified diff; empty where nothing would. Statements are shown line by line."""
        before = [] if self.there is None else _lines(_shown(self.there))
        names = (f"{self.name} in Grafana", f"{self.name} of NokChart")
        return "\n".join(difflib.unified_diff(before, _lines(self.wanted), *names, lineterm=""))


def check_source(api: Api) -> dict[str, Any] | None:
    """The data source that the dashboards ask; None where there is none. GrafanaRefused where it is of another kind."""
    source = found(api.datasource.get_datasource_by_uid, UID)
    if source is not None and source.get("type") not in (_TYPE, "postgres"):
        raise GrafanaRefused(
            f"The data source with the uid {UID} is not PostgreSQL: give it another uid, then push again."
        )
    return source


def make_source(api: Api, source: Source) -> None:
    """Makes the data source, as the provisioned one, for the role that may only read."""
    api.datasource.create_datasource(
        {
            "name": "NokChart",
            "uid": UID,
            "type": _TYPE,
            "access": "proxy",
            "url": source.address,
            "user": READER,
            "jsonData": {
                "database": source.database,
                "sslmode": source.sslmode,
                "postgresVersion": 1500,
                "timescaledb": True,
                "maxOpenConns": 4,
                "maxIdleConns": 2,
                "connMaxLifetime": 3600,
            },
            "secureJsonData": {"password": source.password},
        }
    )


def source_problem(api: Api) -> str | None:
    """Why Grafana cannot ask the database, in its own words; None where it can, or where the token may not try."""
    from grafana_client.client import GrafanaClientError

    try:
        answer = as_object(api.datasource.health(UID))
    except GrafanaClientError as error:
        return words_of(error) if error.status_code == 400 else None
    return None if answer.get("status") == "OK" else str(answer.get("message", "no reason given"))[:200]


def plan(api: Api, language: Language) -> list[Change]:
    """Each dashboard as it is there and as it is to be; nothing is written."""
    return [_plan_one(api, name, model) for name, model in committed(language).items()]


def committed(language: Language) -> dict[str, dict[str, Any]]:
    """The JSON models that come with NokChart, by name."""
    folder = files("grafana") / "dashboards" / language
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda one: one.name)
    return {entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8")) for entry in entries}


def make_folder(api: Api) -> bool:
    """The folder of new dashboards. Returns whether it had to be made."""
    if found(api.folder.get_folder, UID) is not None:
        return False
    api.folder.create_folder("NokChart", UID)
    return True


def save(api: Api, change: Change, *, overwrite: bool) -> None:
    """Writes a dashboard. GrafanaRefused where somebody changed it since it was looked at, unless `overwrite`."""
    from grafana_client.client import GrafanaClientError

    there = change.there or {}
    model = {**change.wanted, "id": there.get("id"), "version": there.get("version", 0)}
    body = {"dashboard": model, "folderUid": change.folder, "message": _MESSAGE, "overwrite": overwrite}
    try:
        api.dashboard.update_dashboard(body)
    except GrafanaClientError as error:
        if error.status_code != 412:
            raise
        raise GrafanaRefused(
            f"The dashboard {change.name} was changed by somebody meanwhile: look at it with --diff, then push again, "
            "with --overwrite if theirs may go."
        ) from error


def _plan_one(api: Api, name: str, wanted: dict[str, Any]) -> Change:
    answer = found(api.dashboard.get_dashboard, wanted["uid"])
    if answer is None:
        return Change(name, wanted, None, UID, changed_by_hand=False)
    there, meta = as_object(answer.get("dashboard")), as_object(answer.get("meta"))
    change = Change(name, wanted, there, str(meta.get("folderUid", "")), changed_by_hand=False)
    if change.state == "unchanged":
        return change
    if meta.get("provisioned"):
        raise GrafanaRefused(
            f"The dashboard {name} comes from a file there, and only the file can change it: see docs/grafana.md."
        )
    return Change(name, wanted, there, change.folder, changed_by_hand=not _is_ours(api, wanted["uid"]))


def _is_ours(api: Api, uid: str) -> bool:
    """Whether the newest version was pushed by NokChart."""
    answer = api.client.GET(f"/dashboards/uid/{uid}/versions?limit=1")
    versions = answer.get("versions") if isinstance(answer, dict) else answer  # a bare list before Grafana 11
    if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
        return False
    newest: dict[str, Any] = max(versions, key=lambda one: int(one.get("version", 0)), default={})
    return bool(newest.get("message") == _MESSAGE)


def _shown(model: dict[str, Any]) -> dict[str, Any]:
    """Without what the server adds."""
    return {key: value for key, value in model.items() if key not in ("id", "version")}


def _lines(model: dict[str, Any]) -> list[str]:
    return json.dumps(model, ensure_ascii=False, indent=2, sort_keys=True).replace("\\n", "\n").split("\n")
