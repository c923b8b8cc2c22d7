"""Writes down all that a container shows: written against AWS's pages alone, with nothing but Python's own library."""

import json
import os
import socket
import sys

LEAVES = sys.argv[0].startswith("/opt/ml/processing")
WHERE = "/opt/ml/processing/output/out" if LEAVES else "/opt/ml/model"


def tree():
    for parent, folders, files in os.walk("/opt/ml"):
        folders.sort()
        for name in folders:
            yield os.path.join(parent, name) + "/"
        for name in files:
            yield os.path.join(parent, name)


def settings(folder):
    if not os.path.isdir(folder):
        return None
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as opened:
            found[name] = json.load(opened)
    return found


def addresses(name):
    return sorted({address[4][0] for address in socket.getaddrinfo(name, None)})


DUMP = {
    "tree": sorted(tree()),
    "config": settings("/opt/ml/config"),
    "input_config": settings("/opt/ml/input/config"),
    "environment": dict(os.environ),
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "host": socket.gethostname(),
    "algo-1": addresses("algo-1"),
    "writable": [path for path in ("/opt/ml/output", "/tmp", WHERE) if os.access(path, os.W_OK)],
}
with open(os.path.join(WHERE, "dump.json"), "w", encoding="utf-8") as opened:
    json.dump(DUMP, opened)
