"""A model's server, written against "Use Your Own Inference Code with Batch Transform" and nothing else.

It says on stdout, as one line of JSON each, how it was started and what it is asked. ODD tells how it is odd.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ODD = json.loads(os.environ.get("ODD", "{}"))
MODEL = Path("/opt/ml/model")
together = threading.Barrier(ODD.get("together", 1), timeout=20)


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        say(method="GET", path=self.path)
        if self.path == "/ping":
            self.answer(ODD.get("ping", 200))
        elif self.path == "/execution-parameters" and "offers" in ODD:
            self.answer(200, json.dumps(ODD["offers"]).encode())
        else:
            self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in ("Content-Type", "Accept") if self.headers[name]}
        say(method="POST", path=self.path, headers=headers, size=len(body), body=body[:200].decode(errors="replace"))
        if ODD.get("dies"):
            os._exit(9)
        if ODD.get("refuses", "\0").encode() in body:
            self.answer(400, b"no such feature: " + body)
        else:
            together.wait()
            weight = json.loads((MODEL / "weights.json").read_text())["weight"]
            sums = [weight * sum(map(float, line.split(b","))) for line in body.split()]
            self.answer(200, b"\n".join(b"%g" % one for one in sums))

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if ODD.get("exits"):
    sys.exit("no weights: " + ODD["exits"])
told = {name: value for name, value in os.environ.items() if name.startswith(("SAGEMAKER", "MODE"))}
say(argv=sys.argv[1:], env=told, model=sorted(path.name for path in MODEL.rglob("*")), cwd=str(Path.cwd()))
(MODEL / "written").touch()
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
