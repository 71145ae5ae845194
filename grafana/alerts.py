"""Alert rules: what somebody should hear of, as Grafana's provisioning takes it."""

from typing import Any

from grafana.parts import SOURCE, statement
from grafana.words import Language, Say, speaker

# About two thirds of a disk of 30 GB, the size that NokChart is made for.
DISK_LIMIT_BYTES = 20_000_000_000


def alert_rules(language: Language) -> dict[str, Any]:
    """The content of provisioning/alerting/rules.yaml."""
    say = speaker(language)
    rules = [
        _rule(
            "collector-stale",
            say("수집기가 2분 넘게 조용합니다", "No collector for two minutes"),
            say(
                "마지막 신호는 {{ $values.A.Value }}초 전입니다.",
                "The last sign of life is {{ $values.A.Value }} s old.",
            ),
            "alert_collector_stale",
            120,
            "1m",
            say,
        ),
        _rule(
            "gap-open",
            say("채팅을 2분 넘게 받지 못하고 있습니다", "A broadcast is not being collected"),
            say("공백이 {{ $values.A.Value }}초째입니다.", "The gap has lasted for {{ $values.A.Value }} s."),
            "alert_gap_open",
            120,
            "1m",
            say,
        ),
        _rule(
            "job-late",
            say("데이터베이스 작업이 늦거나 실패했습니다", "A job of the database is late or fails"),
            say("{{ $values.A.Value }}초 늦었습니다.", "It is {{ $values.A.Value }} s late; 86400 or more: it fails."),
            "alert_job_late",
            7200,
            "15m",
            say,
        ),
        _rule(
            "disk",
            say("디스크가 차고 있습니다", "The disk is filling"),
            say(
                "데이터베이스와 스풀이 {{ $values.A.Value }}바이트입니다.",
                "Database and spool take {{ $values.A.Value }} bytes.",
            ),
            "alert_disk",
            DISK_LIMIT_BYTES,
            "5m",
            say,
        ),
    ]
    group = {"orgId": 1, "name": "nokchart", "folder": "NokChart", "interval": "1m", "rules": rules}
    return {"apiVersion": 1, "groups": [group]}


def _rule(uid: str, title: str, summary: str, name: str, limit: float, lasting: str, say: Say) -> dict[str, Any]:
    """Fires when the one number of a statement stays above a limit; when the statement fails, too."""
    ask = {
        "refId": "A",
        "datasourceUid": SOURCE.uid,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {
            "refId": "A",
            "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
            "editorMode": "code",
            "format": "table",
            "rawQuery": True,
            "rawSql": statement(name),
        },
    }
    compare = {
        "refId": "B",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {
            "refId": "B",
            "type": "threshold",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [limit]}}],
        },
    }
    return {
        "uid": f"nokchart-{uid}",
        "title": title,
        "condition": "B",
        "for": lasting,
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "annotations": {
            "summary": summary,
            "description": say("‘수집 상태’ 대시보드를 보세요.", "See the dashboard “Collection health”."),
        },
        "labels": {"nokchart": uid},
        "data": [ask, compare],
    }
