"""Fixtures of the loaders' tests."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, so that none is read or left in the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def said() -> list[str]:
    """What a loader says: pass its `append` as `notify`."""
    return []


class ArchiveServer:
    """A web server that serves `files` as they are or, on demand, in the ways that servers fail."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.truncated = False
        """Announce the whole file and close after half of it."""
        self.announces_length = True
        self.redirect: str | None = None


def _handler(server: ArchiveServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            content = server.files.get(self.path)
            if server.redirect is not None:
                self.send_response(302)
                self.send_header("Location", server.redirect)
                self.end_headers()
                return
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            if server.announces_length:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if server.truncated else content)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    """A local web server that stands for GroupLens's."""
    served = ArchiveServer("")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served)) as listener:
        served.url = f"http://127.0.0.1:{listener.server_port}"
        monkeypatch.setenv("BENCH_MOVIELENS_URL", served.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture
def dead_url(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nothing listens, as for a machine that is offline."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("BENCH_MOVIELENS_URL", url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return url
