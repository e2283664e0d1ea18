"""A stand-in for the hub on 127.0.0.1: one set, `user/insects`, whose files can be read in parts."""

import contextlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    place: Path
    failures = 0
    """Requests for parts of a file to be answered with 503 before one is served."""
    ranges: list[tuple[int, int]]

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        found = re.fullmatch(r"/datasets/user/insects/resolve/\w+/(.+)", path)
        if re.fullmatch(r"/api/datasets/user/insects(/revision/\w+)?", path):
            self.answer(200, json.dumps({"id": "user/insects", "sha": COMMIT, "siblings": []}).encode())
        elif re.fullmatch(r"/api/datasets/user/insects/tree/\w+", path):
            files = [{"type": "file", "oid": p.name, "size": p.stat().st_size, "path": p.name}
                     for p in sorted(self.place.iterdir())]  # fmt: skip
            self.answer(200, json.dumps(files).encode())
        elif found and (self.place / found[1]).is_file():
            self.file((self.place / found[1]).read_bytes())
        else:
            self.answer(404, b"{}", **{"X-Error-Code": "EntryNotFound"})

    def do_HEAD(self):
        self.do_GET()

    def file(self, content):
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        facts = {"Accept-Ranges": "bytes", "ETag": '"1"', "X-Repo-Commit": COMMIT}
        if not part:
            self.answer(200, content, **facts)
        elif type(self).failures:
            type(self).failures -= 1
            self.answer(503, b"busy")
        else:
            first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
            self.ranges.append((first, last + 1))
            self.answer(206, content[first : last + 1], **facts,
                        **{"Content-Range": f"bytes {first}-{last}/{len(content)}"})  # fmt: skip

    def answer(self, code, body, **headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextlib.contextmanager
def serving(place):
    """The address of a hub that has the files of a folder, and the class that counts what is asked of it."""
    hub = type("ThisHub", (Hub,), {"place": place, "ranges": [], "failures": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hub
    finally:
        server.shutdown()
        server.server_close()
