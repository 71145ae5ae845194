"""`nokchart grafana push` against a Grafana of our own: what it writes, what it leaves, and what it says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import grafana.server
from grafana.push import committed
from nokchart.cli import app
from tests.grafana.someones_grafana import TOKEN, SomeonesGrafana, someones_grafana

PASSWORD = "the-readers-own-password"
TLS = Path(__file__).parents[2] / "simulator" / "tls"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SomeonesGrafana]:
    """A Grafana with nothing in it, that the environment names."""
    with someones_grafana() as running:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", running.url)
        monkeypatch.setenv("NOKCHART_GRAFANA_TOKEN", TOKEN)
        monkeypatch.setenv("NOKCHART_READER_PASSWORD", PASSWORD)
        monkeypatch.setenv("NOKCHART_DATABASE_URL", "postgresql://owner:secret@db.example:5433/chat")
        yield running


def push(*options: str) -> Result:
    """The command; whatever it prints, no secret is in it."""
    result = CliRunner().invoke(app, ["grafana", "push", "--language", "en", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    for secret in (TOKEN, PASSWORD, "owner:secret"):
        assert secret not in result.output
    return result


def refused(*options: str) -> str:
    """The one sentence of a push that ends with exit code 2."""
    result = push(*options)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("nokchart: ")
    assert line.endswith(".")
    return line


def test_an_empty_grafana_gets_everything_and_the_second_push_nothing(there: SomeonesGrafana) -> None:
    result = push()
    assert result.exit_code == 0, result.output
    assert {uid: one["model"]["title"] for uid, one in there.dashboards.items()} == {
        model["uid"]: model["title"] for model in committed("en").values()
    }
    assert {one["folderUid"] for one in there.dashboards.values()} == {"nokchart"}
    assert there.folders == {"nokchart": "NokChart"}
    source = there.sources["nokchart"]
    assert (source["type"], source["user"], source["url"]) == (
        "grafana-postgresql-datasource",
        "nokchart_reader",
        "db.example:5433",
    )
    assert source["jsonData"]["database"] == "chat"
    assert source["jsonData"]["sslmode"] == "require"
    assert source["secureJsonData"] == {"password": PASSWORD}
    assert result.stdout.count(": new") == 5

    there.requests.clear()
    again = push()
    assert again.exit_code == 0
    assert again.stdout.count(": unchanged") == 5
    assert there.writes == []


def test_a_dry_run_says_the_same_and_writes_nothing(there: SomeonesGrafana) -> None:
    result = push("--dry-run")
    assert result.exit_code == 0
    assert result.stdout.count(": new") == 5
    assert "dry run" in result.stderr
    assert there.writes == []


def test_only_what_changed_is_written_and_stays_where_it_was_moved(there: SomeonesGrafana) -> None:
    push()
    there.folders["elsewhere"] = "Elsewhere"
    there.dashboards["nokchart-live"]["folderUid"] = "elsewhere"
    there.dashboards["nokchart-live"]["model"]["title"] = "of an older NokChart"
    there.requests.clear()
    assert push().stdout.count(": changed") == 1
    assert there.writes == [("POST", "/dashboards/db")]
    assert there.dashboards["nokchart-live"]["folderUid"] == "elsewhere"
    assert there.dashboards["nokchart-live"]["model"]["title"] == "NokChart · Live"


def test_the_other_language_is_a_change(there: SomeonesGrafana) -> None:
    push()
    assert CliRunner().invoke(app, ["grafana", "push", "--language", "ko"]).exit_code == 0
    assert there.dashboards["nokchart-live"]["model"]["title"] == "녹차트 · 라이브"


def test_a_diff_shows_the_change_only_and_is_empty_when_nothing_differs(there: SomeonesGrafana) -> None:
    push()
    assert push("--diff").output == ""
    there.edit("nokchart-live", "My own title")
    there.requests.clear()
    result = push("--diff")
    assert result.exit_code == 0
    changed = [line for line in result.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ['-  "title": "My own title",', '+  "title": "NokChart · Live",']
    assert there.writes == []


def test_a_diff_of_a_dashboard_that_is_not_there_is_all_of_it(there: SomeonesGrafana, monkeypatch: Any) -> None:
    monkeypatch.delenv("NOKCHART_READER_PASSWORD")  # of the data source, which a diff is not about
    lines = push("--diff").stdout.splitlines()
    assert sum(line.startswith("+++ ") for line in lines) == 4
    assert '+  "title": "NokChart · Live",' in lines
    assert there.writes == []


def test_what_somebody_changed_is_left_unless_told(there: SomeonesGrafana) -> None:
    push()
    there.edit("nokchart-live", "My own title")
    there.dashboards["nokchart-health"]["model"]["title"] = "of an older NokChart"
    there.requests.clear()
    assert "live" in (said := refused())
    assert "--overwrite" in said
    assert there.writes == []
    assert push("--overwrite").exit_code == 0
    assert there.dashboards["nokchart-live"]["model"]["title"] == "NokChart · Live"


def test_a_change_while_we_push_is_not_lost(there: SomeonesGrafana) -> None:
    push()
    there.dashboards["nokchart-live"]["model"]["title"] = "of an older NokChart"

    def meddle(method: str, path: str) -> None:
        if (method, path) == ("POST", "/dashboards/db"):
            there.hook = None
            there.edit("nokchart-live", "Just now")

    there.hook = meddle
    said = refused()
    assert "live was changed by somebody meanwhile" in said
    assert there.dashboards["nokchart-live"]["model"]["title"] == "Just now"


def test_a_provisioned_dashboard_is_not_touched(there: SomeonesGrafana) -> None:
    push()
    there.dashboards["nokchart-live"] |= {"provisioned": True}
    assert push().exit_code == 0  # equal: nothing to say
    there.dashboards["nokchart-live"]["model"]["title"] = "of an older NokChart"
    assert "comes from a file there" in refused("--overwrite")


class TestDataSource:
    def test_without_what_it_needs_it_is_asked_for(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.delenv("NOKCHART_READER_PASSWORD")
        said = refused()
        assert "NOKCHART_READER_PASSWORD" in said
        assert "--database HOST:PORT" in said
        assert there.writes == []

    @pytest.mark.parametrize("url", ["", "postgresql:///chat?host=/run/postgresql"])
    def test_a_socket_is_nothing_for_grafana(self, there: SomeonesGrafana, monkeypatch: Any, url: str) -> None:
        monkeypatch.setenv("NOKCHART_DATABASE_URL", url)
        assert "--database HOST:PORT" in refused()
        assert "such as db.example:5432" in refused("--database", "localhost")
        assert push("--database", "localhost:5432").exit_code == 0
        assert there.sources["nokchart"]["url"] == "localhost:5432"
        assert there.sources["nokchart"]["jsonData"]["sslmode"] == "disable"

    def test_one_that_is_there_is_left_as_it_is(self, there: SomeonesGrafana) -> None:
        mine = {"uid": "nokchart", "type": "grafana-postgresql-datasource", "user": "nokchart_reader", "url": "mine"}
        there.sources["nokchart"] = mine
        assert push().exit_code == 0
        assert there.sources["nokchart"] == mine

    def test_another_role_is_told(self, there: SomeonesGrafana) -> None:
        there.sources["nokchart"] = {"uid": "nokchart", "type": "postgres", "user": "postgres"}
        result = push()
        assert result.exit_code == 0
        assert "another role than nokchart_reader" in result.stderr

    def test_another_kind_is_refused(self, there: SomeonesGrafana) -> None:
        there.sources["nokchart"] = {"uid": "nokchart", "type": "prometheus"}
        assert "is not PostgreSQL" in refused()

    def test_an_editor_may_not_look_and_pushes_all_the_same(self, there: SomeonesGrafana) -> None:
        there.otherwise["GET", "/datasources"] = (403, b'{"message": "no"}', {"Content-Type": "application/json"})
        result = push()
        assert result.exit_code == 0
        assert "make sure that one with the uid nokchart is there" in result.stderr
        assert len(there.dashboards) == 4

    def test_one_that_does_not_reach_the_database_is_told_with_exit_code_1(self, there: SomeonesGrafana) -> None:
        there.source_health = (400, {"status": "ERROR", "message": "connection refused"})
        result = push()
        assert result.exit_code == 1
        assert "connection refused" in result.stderr
        assert len(there.dashboards) == 4


class TestRefusals:
    def test_no_address(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", "")
        assert "grafana_url" in refused()

    @pytest.mark.parametrize("url", ["grafana.example", "ftp://x", "https://me:pw@x", "http://x:port", "http://x/?a=1"])
    def test_an_address_that_is_none(self, there: SomeonesGrafana, monkeypatch: Any, url: str) -> None:
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", url)
        assert "NOKCHART_GRAFANA_URL" in refused()

    def test_nobody_listens(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", "http://127.0.0.1:9")
        assert "cannot be reached" in refused()

    def test_a_wrong_token(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setenv("NOKCHART_GRAFANA_TOKEN", "another")
        assert "does not accept the token" in refused()

    def test_not_allowed(self, there: SomeonesGrafana) -> None:
        body = f'{{"message": "{TOKEN} may not\\u001b[2J do that"}}'.encode()
        there.otherwise["POST", "/folders"] = (403, body, {"Content-Type": "application/json"})
        said = refused()
        assert "*** may not[2J do that" in said
        assert "Editor" in said

    def test_an_older_grafana(self, there: SomeonesGrafana) -> None:
        there.version = "12.4.1"
        assert "Grafana 12.4.1, and the dashboards need Grafana 13" in refused()

    def test_a_hidden_version_is_no_reason(self, there: SomeonesGrafana) -> None:
        there.version = ""
        assert push().exit_code == 0

    @pytest.mark.parametrize("path", ["/health", "/datasources", "/folders", "/dashboards/uid"])
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (200, b"<html>Log in</html>", "text/html"),
            (200, b"<html>Log in</html>", "application/json"),
            (200, b"[1, 2]", "application/json"),
            (200, b"", "application/json"),
            (500, b"<h1>oops</h1>", "text/html"),
            (502, b'{"message": "bad gateway"}', "application/json"),
            (400, b'{"message": 7}', "application/json"),
            (418, b"\xff\xfe", "application/octet-stream"),
        ],
    )
    def test_strange_answers(self, there: SomeonesGrafana, path: str, status: int, body: bytes, kind: str) -> None:
        there.otherwise["GET", path] = (status, body, {"Content-Type": kind})
        refused()
        assert there.dashboards == {}

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, there: SomeonesGrafana, status: int) -> None:
        with someones_grafana() as other:
            there.otherwise["GET", "/health"] = (status, b"", {"Location": f"{other.url}/api/health"})
            assert "leads to another address" in refused()
            assert other.requests == []

    def test_silence(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setattr(grafana.server, "TIMEOUT_SEC", 0.5)
        there.otherwise["GET", "/datasources"] = (0, b"", {})
        assert "does not answer within 0.5 seconds" in refused()

    def test_a_certificate_that_nobody_knows(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        with someones_grafana(certificate=TLS) as secure:
            monkeypatch.setenv("NOKCHART_GRAFANA_URL", secure.url)
            assert "certificate" in refused()
            assert secure.requests == []
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(TLS / "certificate.pem"))
            assert push().exit_code == 0
            assert len(secure.dashboards) == 4

    def test_no_tls_where_it_is_expected(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", there.url.replace("http:", "https:"))
        refused()

    def test_a_wrong_path_and_the_right_one(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        with someones_grafana(prefix="/tools/grafana") as below:
            monkeypatch.setenv("NOKCHART_GRAFANA_URL", below.url.replace("/tools/grafana", ""))
            assert "is no Grafana" in refused()
            monkeypatch.setenv("NOKCHART_GRAFANA_URL", below.url + "/")
            assert push().exit_code == 0
            assert len(below.dashboards) == 4

    def test_without_the_optional_package(self, there: SomeonesGrafana, monkeypatch: Any) -> None:
        monkeypatch.setattr(grafana.server, "find_spec", lambda name: None)
        assert "pip install 'nokchart[grafana]'" in refused()


@pytest.mark.parametrize("first", ["grafana_client", "requests"])
def test_what_needs_urllib3_works_beside_it(there: SomeonesGrafana, first: str) -> None:
    # niquests, under grafana-client, puts a urllib3 of its own in the place of the real one
    code = (
        f"import {first}, grafana_client, requests, docker, testcontainers.core.container, apprise;"
        f"print(requests.get('{there.url}/api/health', timeout=10).json()['database'])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_only_the_command_imports_it() -> None:
    optional = "('grafana_client', 'niquests', 'urllib3')"
    code = f"import nokchart.cli, sys; print([name for name in {optional} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
