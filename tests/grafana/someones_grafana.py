"""A Grafana on loopback, as its HTTP API is documented: data sources, folders, dashboards, versions, annotations.

https://grafana.com/docs/grafana/latest/developers/http_api/
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_a-token-that-nobody-may-see"

Answer = tuple[int, Any]


class SomeonesGrafana:
    """What is stored there, what was asked, and how some requests are answered otherwise."""

    def __init__(self) -> None:
        self.version = "13.2.3"
        self.sources: dict[str, dict[str, Any]] = {}
        self.source_health: Answer = (200, {"status": "OK", "message": "Database Connection OK"})
        self.folders: dict[str, str] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}  # uid: model, folderUid, versions, provisioned
        self.annotations: dict[int, dict[str, Any]] = {}
        self.order: Callable[[dict[str, Any]], int] = lambda one: -one["timeEnd"]
        """Of annotations in a list: the documentation does not say."""
        self.requests: list[tuple[str, str]] = []
        self.otherwise: dict[tuple[str, str], tuple[int, bytes, dict[str, str]]] = {}
        """(method, beginning of a path): status, body, headers. Status 0 is silence."""
        self.hook: Any = None
        """Called with (method, path) before a request is answered."""
        self.over = threading.Event()
        self.url = ""

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Every request that is to change something."""
        return [one for one in self.requests if one[0] != "GET"]

    def edit(self, uid: str, title: str) -> None:
        """Somebody changes a title in the browser."""
        model = self.dashboards[uid]["model"]
        self.store({**model, "title": title}, self.dashboards[uid]["folderUid"], "")

    def store(self, model: dict[str, Any], folder: str, message: str) -> Answer:
        there = self.dashboards.setdefault(model["uid"], {"versions": [], "provisioned": False})
        version = len(there["versions"]) + 1
        there["model"] = {**model, "id": list(self.dashboards).index(model["uid"]) + 1, "version": version}
        there["folderUid"] = folder
        there["versions"].insert(0, {"version": version, "message": message})
        return 200, {"uid": model["uid"], "status": "success", "version": version}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        match method, path.strip("/").split("/"):
            case "GET", ["health"]:
                return 200, {"database": "ok", "version": self.version, "commit": "abc"}
            case "GET", ["datasources", "uid", uid]:
                return (200, self.sources[uid]) if uid in self.sources else (404, {"message": "Data source not found"})
            case "GET", ["datasources", "uid", _, "health"]:
                return self.source_health
            case "POST", ["datasources"]:
                self.sources[body["uid"]] = body
                return 200, {"message": "Datasource added"}
            case "GET", ["folders", uid]:
                return (200, {"uid": uid}) if uid in self.folders else (404, {"message": "folder not found"})
            case "POST", ["folders"]:
                self.folders[body["uid"]] = body["title"]
                return 200, {"uid": body["uid"]}
            case "GET", ["dashboards", "uid", uid]:
                return self._dashboard(uid)
            case "GET", ["dashboards", "uid", uid, "versions"]:
                newest_first = self.dashboards[uid]["versions"]
                return 200, {"continueToken": "", "versions": newest_first[: int(query.get("limit", ["1000"])[0])]}
            case "POST", ["dashboards", "db"]:
                return self._save(body)
            case "GET", ["annotations"]:
                return 200, self._find(query)
            case "POST", ["annotations"]:
                number = max(self.annotations, default=0) + 1
                self.annotations[number] = {**body, "id": number}
                return 200, {"message": "Annotation added", "id": number}
            case "PUT", ["annotations", number]:
                self.annotations[int(number)] |= body
                return 200, {"message": "Annotation updated"}
            case "DELETE", ["annotations", number]:
                del self.annotations[int(number)]
                return 200, {"message": "Annotation deleted"}
        return 404, {"message": "Not found"}

    def _dashboard(self, uid: str) -> Answer:
        there = self.dashboards.get(uid)
        if there is None:
            return 404, {"message": "Dashboard not found"}
        meta = {"folderUid": there["folderUid"], "provisioned": there["provisioned"], "slug": "a"}
        return 200, {"dashboard": there["model"], "meta": meta}

    def _save(self, body: dict[str, Any]) -> Answer:
        model, uid = body["dashboard"], body["dashboard"]["uid"]
        if body["folderUid"] and body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(uid)
        if there is not None and not body["overwrite"] and model["version"] != there["model"]["version"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        return self.store(model, body["folderUid"], body["message"])

    def _find(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        first, last = int(query["from"][0]), int(query["to"][0])
        wanted = set(query.get("tags", []))
        chosen = [
            {**one, "timeEnd": one.get("timeEnd") or one["time"], "tags": sorted(one["tags"]), "alertId": 0}
            for one in self.annotations.values()
            if wanted <= set(one["tags"]) and one["time"] <= last and (one.get("timeEnd") or one["time"]) >= first
        ]
        return sorted(chosen, key=self.order)[: int(query.get("limit", ["100"])[0])]


@contextmanager
def someones_grafana(certificate: Path | None = None, prefix: str = "") -> Iterator[SomeonesGrafana]:
    """It runs as long as the block does; over TLS with a `certificate` (a folder), below `prefix` such as /grafana."""
    state = SomeonesGrafana()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            path = re.sub(f"^{re.escape(prefix)}/api", "", parts.path)
            state.requests.append((self.command, path))
            if state.hook is not None:
                state.hook(self.command, path)
            for (method, beginning), (status, content, headers) in state.otherwise.items():
                if method == self.command and path.startswith(beginning):
                    return self._send(status, content, headers)
            if not parts.path.startswith(f"{prefix}/api/"):
                return self._send(404, b"<html>nothing here</html>", {"Content-Type": "text/html"})
            if path != "/health" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, answer = 401, {"message": "Invalid API key"}
            else:
                given = json.loads(body) if body else None
                status, answer = state.answer(self.command, path, parse_qs(parts.query), given)
            return self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            if status == 0:
                state.over.wait(30)
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that refuses our certificate

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    state.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}{prefix}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
