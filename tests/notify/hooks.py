"""A web server on loopback that takes messages as Discord, Slack and webhooks do, or refuses them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hooks:
    """What was posted, and how each next post is answered: by a status, or by None, which is silence."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, Any]] = []
        self.answers: list[tuple[int | None, dict[str, str]]] = []
        self.over = threading.Event()
        self.port = 0

    def answer(self, *statuses: int | None, **headers: str) -> None:
        """So the next posts are answered; after these with 200."""
        self.answers += [
            (status, {name.replace("_", "-"): value for name, value in headers.items()}) for status in statuses
        ]


@contextmanager
def hooks() -> Iterator[Hooks]:
    """The server, for as long as the block runs."""
    state = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.posts.append((self.path, json.loads(body)))
            status, headers = state.answers.pop(0) if state.answers else (200, {})
            if status is None:
                state.over.wait(30)
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
