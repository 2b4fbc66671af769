"""Does with boto3 what each line on stdin says.

    aws.py http://127.0.0.1:PORT

A line is a JSON list: a service, a method of its client, and its arguments by name; bytes are
written as {"base64": "..."}. With `http` as service, a body is sent to the path that stands for the
method. The answer is a line too: what AWS answers, or {"error": "..."}.
"""

import base64
import json
import os
import ssl
import sys
import urllib.request

import boto3
from botocore.config import Config

address = sys.argv[1]
clients = {}


def client(service):
    if service not in clients:
        clients[service] = boto3.client(
            service,
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
    return clients[service]


def decoded(value):
    if isinstance(value, dict) and set(value) == {"base64"}:
        return base64.b64decode(value["base64"])
    return value


def post(path, body):
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(address + path, body.encode(), headers)
    urllib.request.urlopen(request, context=context).read()
    return {}


for line in sys.stdin:
    service, method, arguments = json.loads(line)
    arguments = {name: decoded(value) for name, value in arguments.items()}
    try:
        if service == "http":
            answer = post(method, **arguments)
        else:
            answer = getattr(client(service), method)(**arguments)
        answer.pop("ResponseMetadata", None)
    except Exception as error:
        answer = {"error": f"{service}.{method}: {type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
