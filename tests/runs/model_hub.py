"""A stand-in for the hub's repositories of models on 127.0.0.1: made, filled and read."""

import base64
import contextlib
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "c" * 40


@contextlib.contextmanager
def serving(token):
    """(address, {repository: {file: content}}) of a hub that wants `token` for what is written.

    Weights go to its storage of large files, by the address that it gives for each and without the token, as the hub's
    own do: `repositories["storage"]` is {checksum: content}. What that refuses stands in `repositories["refused"]`.
    """
    repositories = {"storage": {}, "refused": {}}

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
            elif self.path.endswith(".git/info/lfs/objects/batch"):
                self.addressed(here, json.loads(body)["objects"])
            elif self.path == "/verified":
                stored = repositories["storage"].get(json.loads(body)["oid"], b"")
                self.say(200 if len(stored) == json.loads(body)["size"] else 404, {})
            elif found := re.fullmatch(r"/api/models/(\S+?/\S+?)/(preupload|commit)/main", self.path):
                self.written(repositories[found[1]], body) if found[2] == "commit" else self.asked(body)
            else:
                self.say(200, {})

        def asked(self, body):
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = ["lfs" if path.endswith(".safetensors") else "regular" for path in paths]
            files = zip(paths, modes, strict=True)
            self.say(200, {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in files]})

        def addressed(self, here, objects):
            for one in objects:
                if one["oid"] not in repositories["storage"]:
                    upload = {"href": f"{here}/storage/{one['oid']}?signature=x"}
                    one["actions"] = {"upload": upload, "verify": {"href": f"{here}/verified"}}
            self.say(200, {"transfer": "basic", "objects": objects})

        def do_PUT(self):
            chunked = self.headers.get("Transfer-Encoding") == "chunked"
            content = self.chunks() if chunked else self.rfile.read(int(self.headers["Content-Length"]))
            oid = re.fullmatch(r"/storage/(\w+)\?signature=x", self.path)[1]
            whole = hashlib.sha256(content).hexdigest() == oid and "authorization" not in self.headers
            if repositories["refused"] or not whole:
                self.say(403, {"error": "Request has expired"})
            else:
                repositories["storage"][oid] = content
                self.say(200, {})

        def chunks(self):
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def written(self, repository, body):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repository[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    repository[line["value"]["path"]] = repositories["storage"][line["value"]["oid"]]
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
