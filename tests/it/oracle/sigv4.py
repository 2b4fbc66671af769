"""Signs with botocore what each line on stdin says; a line of the `Authorization` header for each.

A line is a JSON list: method, URL, headers as pairs, body, key id, secret, token or null, region,
service, moment as seconds since 1970.
"""

import base64
import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

moment = None
botocore.auth.get_current_datetime = lambda: datetime.datetime.fromtimestamp(
    moment, datetime.timezone.utc
).replace(tzinfo=None)

for line in sys.stdin:
    method, url, headers, body, key, secret, token, region, service, moment = json.loads(line)
    request = AWSRequest(method=method, url=url, data=base64.b64decode(body))
    for name, value in headers:
        request.headers.add_header(name, value)
    signer = botocore.auth.SigV4Auth(Credentials(key, secret, token), service, region)
    signer.add_auth(request)
    print(request.headers["Authorization"], flush=True)
