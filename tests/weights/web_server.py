"""A stand-in for the web on 127.0.0.1: files that it serves as it is told, with cut lines, redirects and errors."""

import contextlib
import re
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Web:
    """What is served and what happened: `cuts` are the bytes after which the next answers break off."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    busy: int = 0
    """Requests that are answered with 503 first."""
    moved: dict[str, str] = field(default_factory=dict)
    tag: str = '"1"'
    ranges: bool = True
    delay: float = 0.0
    """Seconds before each kilobyte."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextlib.contextmanager
def serving():
    """A `Web` that is there during the block."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            web.requests.append((self.path, dict(self.headers)))
            if web.busy:
                web.busy -= 1
                self.say(503)
            elif self.path in web.moved:
                self.say(302, Location=web.moved[self.path])
            elif self.path not in web.files:
                self.say(404, **{"X-Error-Code": "EntryNotFound"})
            else:
                self.file(web.files[self.path])

        def say(self, code, body=b"", **headers):
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def file(self, content):
            part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(part[1]) if part and web.ranges and self.headers.get("If-Range", web.tag) == web.tag else 0
            if start > len(content):
                self.say(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            for name, value in (("ETag", web.tag), ("X-Repo-Commit", "c" * 40)):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.body(content[start:])

        def body(self, rest):
            cut = web.cuts.pop(0) if web.cuts else None
            for begin in range(0, len(rest[:cut]), 1024):
                time.sleep(web.delay)
                self.wfile.write(rest[:cut][begin : begin + 1024])
            if cut is not None:
                self.close_connection = True
                self.wfile.flush()
                self.connection.shutdown(2)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None
        web.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield web
        server.shutdown()
        thread.join()
