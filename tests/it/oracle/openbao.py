"""Opens a new OpenBao, then does with hvac what each line on stdin says.

    openbao.py https://localhost:PORT ca.pem

A line is a JSON list: the dotted name of a method of hvac.Client and its arguments by name. The
answer is a line too: what the method gives, or {"error": "..."}. The first line of all is the root
token.
"""

import json
import sys

import hvac
import requests

address, authority = sys.argv[1:]
client = hvac.Client(url=address, verify=authority)

made = client.sys.initialize(secret_shares=1, secret_threshold=1)
client.sys.submit_unseal_key(made["keys"][0])
client.token = made["root_token"]
client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})


def unseal():
    client.sys.submit_unseal_key(made["keys"][0])


def answer(value):
    if isinstance(value, requests.Response):
        value = value.json() if value.content else None
    print(json.dumps(value), flush=True)


answer({"token": made["root_token"]})
for line in sys.stdin:
    name, arguments = json.loads(line)
    try:
        method = client
        for part in name.split("."):
            method = unseal if part == "unseal" else getattr(method, part)
        answer(method(**arguments))
    except Exception as error:
        answer({"error": f"{name}: {type(error).__name__}: {error}"})
