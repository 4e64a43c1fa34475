"""A hub on loopback: what huggingface_hub asks of the real one to create, commit, list, resolve.

Run by itself it serves until ended: ``python tests/share/stand_in.py 8000``, and then, as ann,
``HF_ENDPOINT=http://127.0.0.1:8000 HF_HUB_DISABLE_XET=1 HF_TOKEN=a-token smidgen push ...``.
"""

import base64
import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import yaml

TOKEN = "a-token"
LARGE = (".safetensors", ".onnx", ".wasm")  # go to the store of large files, as on the real hub


@dataclass
class Hub:
    """What is on the stand-in."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by kind/USER/NAME
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each was created with
    large: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # that are told instead of the true ones
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def commit_of(self, name: str) -> str:
        """Return the commit of what a repository holds."""
        held = sorted(self.repositories[name].items())
        return hashlib.sha1(repr(held).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        """What is on the stand-in."""
        assert isinstance(self.server, Server)
        return self.server.hub

    def log_message(self, format: str, *args: object) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")

    def body(self) -> bytes:
        """Return what was sent, whole or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def say(self, status: int, value: Any = None, **headers: str) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value or {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, said in headers.items():
            self.send_header(name.replace("_", "-"), said)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, code: str, status: int = 404) -> None:
        self.say(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    def do_POST(self) -> None:
        body = self.body()
        if self.path == "/api/validate-yaml":  # asks nobody who they are
            self.validate(json.loads(body))
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.say(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", self.path):
            self.batch(json.loads(body))
        elif found := re.fullmatch(
            r"/api/(model|space)s/([^/]+/[^/]+)/(preupload|commit)/main", self.path
        ):
            kind, name, what = found.groups()
            getattr(self, what)(f"{kind}/{name}", body)
        else:
            self.say(404)

    def validate(self, asked: Any) -> None:
        block = asked["content"].split("---\n")[1]
        try:
            held = yaml.safe_load(block)
        except yaml.YAMLError as error:
            self.say(400, {"errors": [{"message": str(error)}], "warnings": []})
            return
        if asked["repoType"] == "space" and held.get("sdk") != "static":
            self.say(400, {"errors": [{"message": "sdk must be static"}], "warnings": []})
            return
        self.say(200, {"errors": [], "warnings": []})

    def create(self, asked: Any) -> None:
        if asked.get("organization") not in (None, "ann"):
            self.say(403, {"error": "You don't have the rights to create this"})
            return
        kind = asked.get("type", "model")
        name = f"{kind}/{asked['organization']}/{asked['name']}"
        place = name.removeprefix("model/").replace("space/", "spaces/")
        status = 409 if name in self.hub.repositories else 200
        self.hub.repositories.setdefault(name, {})
        self.hub.facts.setdefault(name, asked)
        self.say(status, {"url": f"{self.hub.url}/{place}"})

    def preupload(self, name: str, body: bytes) -> None:
        del name
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(body)["files"]
        ]
        self.say(200, {"files": files})

    def batch(self, asked: Any) -> None:
        objects = [
            {
                **one,
                "authenticated": True,
                "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}", "header": {}}},
            }
            for one in asked["objects"]
        ]
        self.say(200, {"transfer": "basic", "objects": objects})

    def do_PUT(self) -> None:
        content = self.body()
        self.hub.large[hashlib.sha256(content).hexdigest()] = content
        self.say(200)

    def commit(self, name: str, body: bytes) -> None:
        held = self.hub.repositories[name]
        for line in body.decode().splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                held[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                held[value["path"]] = self.hub.large[value["oid"]]
            elif one["key"] == "deletedFile":
                del held[value["path"]]
        commit = self.hub.commit_of(name)
        place = name.removeprefix("model/").replace("space/", "spaces/")
        url = f"{self.hub.url}/{place}/commit/{commit}"
        self.say(200, {"commitUrl": url, "commitOid": commit})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(self.path.split("?")[0])
        if found := re.fullmatch(
            r"/api/(model|space)s/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?", path
        ):
            kind, name, what, revision = found.groups()
            self.tell(f"{kind}/{name}", revision or "main", tree=what == "tree")
        elif found := re.fullmatch(r"/(spaces/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind = "space" if found[1] else "model"
            self.resolve(f"{kind}/{found[2]}", found[3], found[4])
        else:
            self.say(404)

    def known(self, name: str, revision: str) -> bool:
        if name not in self.hub.repositories:
            self.refuse("RepoNotFound")
            return False
        if revision not in ("main", self.hub.commit_of(name)):
            self.refuse("RevisionNotFound")
            return False
        return True

    def tell(self, name: str, revision: str, *, tree: bool) -> None:
        if not self.known(name, revision):
            return
        held = self.hub.repositories[name]
        if tree:
            rows = [
                {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
                for path, content in held.items()
            ]
            self.say(200, json.dumps(rows).encode())
            return
        siblings = [
            {"rfilename": path, "size": self.hub.sizes.get(path, len(content))}
            for path, content in held.items()
        ]
        place = name.split("/", 1)[1]
        hidden = self.hub.facts[name].get("visibility") == "private"
        facts = {"id": place, "modelId": place, "sha": self.hub.commit_of(name), "private": hidden}
        self.say(200, {**facts, "siblings": siblings, "tags": [], "downloads": 0})

    def resolve(self, name: str, revision: str, path: str) -> None:
        if not self.known(name, revision):
            return
        if path not in self.hub.repositories[name]:
            self.refuse("EntryNotFound")
            return
        content = self.hub.repositories[name][path]
        print_ = hashlib.sha256(content).hexdigest()
        self.say(200, content, ETag=f'"{print_}"', X_Repo_Commit=self.hub.commit_of(name))


class Server(ThreadingHTTPServer):
    """A server with its hub."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.hub = Hub(url=f"http://127.0.0.1:{self.server_address[1]}")


def serve(port: int = 0) -> tuple[Hub, Server]:
    """Return a hub and its server, which serves once ``serve_forever`` is called."""
    server = Server(port)
    return server.hub, server


if __name__ == "__main__":
    serve(int(sys.argv[1]))[1].serve_forever()
