"""A stand-in for the hub's repositories of models on 127.0.0.1: made, filled and read."""

import base64
import contextlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "c" * 40


@contextlib.contextmanager
def serving(token):
    """(address, {repository: {file: content}}) of a hub that wants `token` for what is written."""
    repositories = {}

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            here = f"http://{self.headers['Host']}"
            if self.headers.get("authorization") != f"Bearer {token}":
                self.say(401, {"error": "Invalid username or password."})
            elif self.path == "/api/repos/create":
                name = "/".join(filter(None, [json.loads(body).get("organization"), json.loads(body)["name"]]))
                repositories.setdefault(name, {})
                self.say(200, {"url": f"{here}/{name}"})
            elif found := re.fullmatch(r"/api/models/(\S+?/\S+?)/(preupload|commit)/main", self.path):
                self.written(repositories[found[1]], body) if found[2] == "commit" else self.asked(body)
            else:
                self.say(200, {})

        def asked(self, body):
            files = [file["path"] for file in json.loads(body)["files"]]
            self.say(200, {"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]})

        def written(self, repository, body):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repository[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            address = f"http://{self.headers['Host']}/x/y/commit/{COMMIT}"
            self.say(200, {"success": True, "commitOid": COMMIT, "commitUrl": address})

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            found = re.fullmatch(rf"/(\S+?/\S+?)/resolve/(?:main|{COMMIT})/(\S+)", self.path)
            content = repositories.get(found[1], {}).get(found[2]) if found else None
            if content is not None:
                self.say(200, content, **{"ETag": f'"{abs(hash(content))}"', "X-Repo-Commit": COMMIT})
            elif (known := re.match(r"/api/models/(\S+?/\S+?)(/|$)", self.path)) and known[1] in repositories:
                self.say(200, {"id": "x/y", "sha": COMMIT, "siblings": []})
            else:
                self.say(404, {}, **{"X-Error-Code": "EntryNotFound" if found else "RepoNotFound"})

        def say(self, code, answer, **headers):
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(code)
            facts = {"Content-Length": str(len(body)), "Content-Type": "application/json"} | headers
            for name, value in facts.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", repositories
        server.shutdown()
        thread.join()
