"""Opens a new OpenBao, then does with hvac what each line on stdin says.

    openbao.py https://localhost:PORT ca.pem

A line is a JSON list: the dotted name of a method of hvac.Client and its arguments by name. The
answer is a line too: what the method gives, or {"error": "..."}. The first line of all is the root
token.
"""

import json
import sys
import time

import hvac
import requests

address, authority = sys.argv[1:]
client = hvac.Client(url=address, verify=authority)

made = client.sys.initialize(secret_shares=1, secret_threshold=1)
client.sys.submit_unseal_key(made["keys"][0])
client.token = made["root_token"]
# A node of a cluster is first of all elected; what is not well is a response of its own kind.
while isinstance(client.sys.read_health_status(method="GET"), requests.Response):
    time.sleep(0.05)
client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})


def unseal():
    client.sys.submit_unseal_key(made["keys"][0])


def join(url):
    """Makes the server at this address another node of the cluster, and waits until it is one."""
    node = hvac.Client(url=url, verify=authority)
    with open(authority) as ca:
        node.sys.join_raft_cluster(leader_api_addr=address, leader_ca_cert=ca.read())
    node.sys.submit_unseal_key(made["keys"][0])
    while node.sys.read_health_status(method="GET").status_code != 429:
        time.sleep(0.05)


OURS = {"unseal": unseal, "join": join}


def answer(value):
    if isinstance(value, requests.Response):
        value = value.json() if value.content else None
    print(json.dumps(value), flush=True)


answer({"token": made["root_token"]})
for line in sys.stdin:
    name, arguments = json.loads(line)
    try:
        method = OURS.get(name, client)
        if method is client:
            for part in name.split("."):
                method = getattr(method, part)
        answer(method(**arguments))
    except Exception as error:
        answer({"error": f"{name}: {type(error).__name__}: {error}"})
