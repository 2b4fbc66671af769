"""A strict double of what envshim asks of Google, over TLS and under Google's own host names.

    google_cloud.py CERTIFICATE KEY

It refuses what Google would refuse. Tokens, signatures and checksums are judged by Google's own
libraries (google-auth, google-crc32c). The first line on stdout is a JSON object: the ports, and the
key file of a service account. After that, each line on stdin is a command, a JSON list of a method
and its arguments by name; its answer is a line too.
"""

import base64
import datetime
import http.server
import json
import re
import ssl
import sys
import threading
import time
import urllib.parse

import google.auth.aws
import google.auth.jwt
import google_crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2 import service_account

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Stands in every text of an error, and in every token: it must not be shown.
CANARY = "c4n4ry"
NUMBERS = {"imip": "1234567890", "other": "987"}
EMAIL = "app@imip.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1234567890/locations/global/workloadIdentityPools/pool"
AUDIENCE = f"{POOL}/providers/github"
AWS_AUDIENCE = f"{POOL}/providers/aws"
AWS_KEYS = ("AKIDEXAMPLE", f"aws/{CANARY}", f"session/{CANARY}")


class Refused(Exception):
    """An answer in the form of Google's errors."""

    def __init__(self, status, code, message="", reason=None, **metadata):
        details = []
        if reason:
            details = [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason, "domain": "googleapis.com", "metadata": metadata,
            }]
        self.status = status
        self.body = {"error": {
            "code": status, "message": f"{message} {CANARY}", "status": code, "details": details,
        }}


class NotGranted(Exception):
    """An answer in the form of OAuth's errors."""

    def __init__(self, error):
        self.status = 400
        self.body = {"error": error, "error_description": f"no {CANARY}"}


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        pem = self.key.private_bytes(*form, serialization.NoEncryption()).decode()
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.public = self.key.public_key().public_bytes(*form)
        self.file = {
            "type": "service_account", "project_id": "imip", "private_key_id": "k1",
            "private_key": pem, "client_email": EMAIL, "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        self.signers = [
            (audience, service_account.Credentials.from_service_account_info(
                self.file, scopes=scopes, always_use_jwt_access=scopes is not None))
            for audience, scopes in ((None, [SCOPE]), ("https://secretmanager.googleapis.com/", None))]
        self.places = {}
        self.asked = []
        self.tokens = {}
        self.page = 1000
        self.pages = {}
        self.denied = []
        self.unlisted = False
        # Nobody may see versions without their values.
        self.unseen = False
        # To whom it is denied to see and change secrets themselves.
        self.unannotated = []
        # What somebody else annotates right before the next change.
        self.annotates = None
        # To whom it is denied to add a version to a secret, or to make one.
        self.unadded = []
        self.uncreated = []
        # The locations that an organisation allows.
        self.allowed = None
        # How often a secret that was made just now is not there yet.
        self.late = 0
        # What somebody else adds right before the next version, by the secret.
        self.between = {}
        self.damaged = 0
        self.off = False
        self.no_scope = False
        self.payers = ["imip"]
        self.subject = f"subject.{CANARY}.token"
        self.impersonable = ["target@imip.iam.gserviceaccount.com"]
        self.machine = EMAIL
        self.machine_project = "imip"

    def mint(self, who):
        token = f"ya29.{CANARY}-{len(self.tokens)}"
        self.tokens[token] = who
        return token

    # What tests ask for.

    def put(self, name, value, project="imip", location=None, labels=None):
        place = self.places.setdefault((project, location), {})
        secret = place.setdefault(name, {"labels": {}, "versions": [], "aliases": {}})
        secret["labels"].update(labels or {})
        if value is not None:
            secret["versions"].append(fresh(base64.b64decode(value)))
        return len(secret["versions"])

    def state(self, name, version, state):
        self.places["imip", None][name]["versions"][version - 1]["state"] = state

    def alias(self, name, alias, version):
        self.places["imip", None][name]["aliases"][alias] = version

    def secret(self, name, project="imip", location=None):
        """How it was made, and the values of its versions."""
        secret = self.places[project, location][name]
        values = [base64.b64encode(version["data"]).decode() for version in secret["versions"]]
        return {"replication": secret.get("replication"), "versions": values}

    def forget(self):
        self.places.clear()

    def configure(self, **attributes):
        for name, value in attributes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def log(self):
        asked, self.asked = self.asked, []
        return asked


STATE = State()


def fresh(data):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"data": data, "state": "ENABLED", "made": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


def who_is(headers):
    """Whose token it is."""
    header = headers.get_all("Authorization") or []
    if len(header) != 1 or not header[0].startswith("Bearer "):
        raise Refused(401, "UNAUTHENTICATED", reason="CREDENTIALS_MISSING")
    token = header[0][len("Bearer "):]
    if token in STATE.tokens:
        return STATE.tokens[token]
    if token.count(".") != 2:
        raise Refused(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")
    # Judged once: it says the same in every request of a load.
    STATE.tokens[token] = signed(token)
    return STATE.tokens[token]


def signed(token):
    """Whose own token it is."""
    try:
        # google-auth judges the signature, `iat` and `exp`.
        claims = google.auth.jwt.decode(token, certs=STATE.public)
    except ValueError as error:
        raise Refused(401, "UNAUTHENTICATED", str(error), reason="ACCOUNT_STATE_INVALID")
    # And it is what google-auth itself would have signed, but for the moment: for a scope, or for
    # this service.
    times = dict.fromkeys(["iat", "exp"])
    allowed = []
    for audience, credentials in STATE.signers:
        credentials._create_self_signed_jwt(audience)
        credentials.refresh(None)
        own = google.auth.jwt.decode(credentials.token, certs=STATE.public, audience=audience)
        allowed.append((google.auth.jwt.decode_header(credentials.token), {**own, **times}))
    if not all(isinstance(claims[name], int) for name in times) or claims["exp"] - claims["iat"] > 3600 \
            or (google.auth.jwt.decode_header(token), {**claims, **times}) not in allowed:
        raise Refused(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")
    return claims["iss"]


def secret_manager(method, host, path, query, headers, body):
    who = who_is(headers)
    if STATE.no_scope:
        raise Refused(403, "PERMISSION_DENIED", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    name = r"[A-Za-z0-9_-]{1,255}"
    begin = r"/v1/projects/([a-z0-9-]+)(?:/locations/([a-z0-9-]+))?/secrets"
    rest = {"GET": rf"(?:/({name})(?:/versions/({name})(:access)?)?)?", "POST": rf"(?:/({name})()(:addVersion))?",
            "PATCH": rf"/({name})()()"}
    found = method in rest and re.fullmatch(begin + rest[method], path)
    if not found or bool(body) != (method != "GET"):
        raise Refused(404, "NOT_FOUND")
    project, location, name, version, verb = found.groups()
    if host != ("secretmanager.googleapis.com" if location is None else f"secretmanager.{location}.rep.googleapis.com"):
        raise Refused(400, "INVALID_ARGUMENT", "wrong endpoint")
    payer = headers.get("x-goog-user-project")
    if payer is not None and payer not in STATE.payers:
        raise Refused(403, "PERMISSION_DENIED", reason="USER_PROJECT_DENIED", consumer=f"projects/{payer}")
    project = {number: name for name, number in NUMBERS.items()}.get(project, project)
    if project not in NUMBERS:
        raise Refused(403, "PERMISSION_DENIED", reason="CONSUMER_INVALID", consumer=f"projects/{project}")
    if STATE.off:
        raise Refused(403, "PERMISSION_DENIED", reason="SERVICE_DISABLED",
                      consumer=f"projects/{NUMBERS[project]}", service="secretmanager.googleapis.com")
    at = f"projects/{NUMBERS[project]}" + (f"/locations/{location}" if location else "")
    if method != "GET":
        if headers.get_all("content-type") != ["application/json"]:
            raise Refused(400, "INVALID_ARGUMENT", "content type")
        place = STATE.places.setdefault((project, location), {})
        act = create if name is None else patch if method == "PATCH" else add
        return act(place, at, who, query.pop("secretId", None) if name is None else name, location, query, json.loads(body))
    place = STATE.places.get((project, location), {})
    if name is None:
        return listing(place, at, query)
    if set(query) - {"$alt"}:
        raise Refused(400, "INVALID_ARGUMENT", "unknown parameter")
    if version is None:
        return secret(place, at, who, name)
    if verb is None:
        return about(place, at, name, version)
    if name in STATE.denied or who in STATE.denied:
        raise Refused(403, "PERMISSION_DENIED",
                      f"Permission 'secretmanager.versions.access' denied for resource '{at}/secrets/{name}/versions/{version}' (or it may not exist).",
                      reason="IAM_PERMISSION_DENIED", permission="secretmanager.versions.access")
    return access(place, at, name, version)


def found_version(place, at, name, version):
    if name not in place or (version == "latest" and not place[name]["versions"]):
        raise Refused(404, "NOT_FOUND", f"Secret [{at}/secrets/{name}] not found or has no versions.")
    versions = place[name]["versions"]
    number = len(versions) if version == "latest" else place[name]["aliases"].get(version, version)
    where = f"{at}/secrets/{name}/versions/{number}"
    if not str(number).isdigit() or not 0 < int(number) <= len(versions):
        raise Refused(404, "NOT_FOUND", f"Secret Version [{where}] not found.")
    return where, versions[int(number) - 1]


def about(place, at, name, version):
    where, found = found_version(place, at, name, version)
    if STATE.unseen:
        raise Refused(403, "PERMISSION_DENIED", f"Permission 'secretmanager.versions.get' denied for resource '{where}' (or it may not exist).",
                      reason="IAM_PERMISSION_DENIED", permission="secretmanager.versions.get")
    return {"name": where, "createTime": found["made"], "state": found["state"], "etag": '"1"'}


def access(place, at, name, version):
    where, found = found_version(place, at, name, version)
    if found["state"] != "ENABLED":
        raise Refused(400, "FAILED_PRECONDITION", f"Secret Version [{where}] is in {found['state']} state.")
    data = found["data"]
    crc = google_crc32c.value(data)
    if STATE.damaged > 0:
        STATE.damaged -= 1
        crc ^= 1
    return {"name": where, "payload": {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc)}}


def create(place, at, who, name, location, query, asked):
    if query or not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name or ""):
        raise Refused(400, "INVALID_ARGUMENT", "secret id")
    if who in STATE.uncreated:
        raise Refused(403, "PERMISSION_DENIED", f"Permission 'secretmanager.secrets.create' denied for resource '{at}' (or it may not exist).",
                      reason="IAM_PERMISSION_DENIED", permission="secretmanager.secrets.create")
    if name in place:
        raise Refused(409, "ALREADY_EXISTS", f"Secret [{at}/secrets/{name}] already exists.")
    if location is None:
        # A secret of no location has to say how it is replicated, and one of a location must not.
        replicas = asked.get("replication", {}).get("userManaged", {}).get("replicas", [])
        named = [replica.get("location") for replica in replicas]
        good = [{"automatic": {}}]
        if named and all(re.fullmatch(r"[a-z]+-[a-z]+[0-9]", str(location)) for location in named):
            good.append({"userManaged": {"replicas": [{"location": location} for location in named]}})
        if set(asked) != {"replication"} or asked["replication"] not in good:
            raise Refused(400, "INVALID_ARGUMENT", "replication")
        if STATE.allowed is not None and not (named and set(named) <= set(STATE.allowed)):
            raise Refused(400, "FAILED_PRECONDITION", "Constraint constraints/gcp.resourceLocations violated")
    elif asked:
        raise Refused(400, "INVALID_ARGUMENT", "replication of a regional secret")
    place[name] = {"labels": {}, "versions": [], "aliases": {}, "late": STATE.late, **asked}
    return {"name": f"{at}/secrets/{name}", "createTime": "2026-01-01T00:00:00Z", "etag": '"1"', **asked}


def secret(place, at, who, name):
    if who in STATE.unannotated:
        raise Refused(403, "PERMISSION_DENIED", f"Permission 'secretmanager.secrets.get' denied for resource '{at}/secrets/{name}' (or it may not exist).",
                      reason="IAM_PERMISSION_DENIED", permission="secretmanager.secrets.get")
    if name not in place:
        raise Refused(404, "NOT_FOUND", f"Secret [{at}/secrets/{name}] not found.")
    found = place[name]
    annotations = found.get("annotations")
    return {"name": f"{at}/secrets/{name}", "createTime": "2026-01-01T00:00:00Z", "etag": f'"{found.get("edits", 0)}"',
            "labels": found["labels"], **({"annotations": annotations} if annotations else {})}


def patch(place, at, who, name, location, query, asked):
    if set(query) - {"$alt"} != {"updateMask"} or query["updateMask"] != "annotations" or set(asked) - {"etag", "name"} != {"annotations"}:
        raise Refused(400, "INVALID_ARGUMENT", "what is to be changed")
    now = secret(place, at, who, name)
    if STATE.annotates:
        mine, STATE.annotates = STATE.annotates, None
        change(place[name], {**place[name].get("annotations", {}), **mine})
        now = secret(place, at, who, name)
    if "etag" in asked and asked["etag"] != now["etag"]:
        raise Refused(400, "FAILED_PRECONDITION", "The etag is not that of the secret.")
    total = sum(len(key.encode()) + len(value.encode()) for key, value in asked["annotations"].items())
    rule = r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
    if total >= 16384 or not all(re.fullmatch(rule, key) for key in asked["annotations"]):
        raise Refused(400, "INVALID_ARGUMENT", "annotations")
    change(place[name], asked["annotations"])
    return secret(place, at, who, name)


def change(found, annotations):
    found["annotations"] = annotations
    found["edits"] = found.get("edits", 0) + 1


def add(place, at, who, name, location, query, asked):
    if query:
        raise Refused(400, "INVALID_ARGUMENT", "unknown parameter")
    if name in STATE.unadded or who in STATE.unadded:
        raise Refused(403, "PERMISSION_DENIED",
                      f"Permission 'secretmanager.versions.add' denied for resource '{at}/secrets/{name}' (or it may not exist).",
                      reason="IAM_PERMISSION_DENIED", permission="secretmanager.versions.add")
    if name not in place or place[name].get("late", 0) > 0:
        if name in place:
            place[name]["late"] -= 1
        raise Refused(404, "NOT_FOUND", f"Secret [{at}/secrets/{name}] not found.")
    if set(asked) != {"payload"} or set(asked["payload"]) != {"data", "dataCrc32c"}:
        raise Refused(400, "INVALID_ARGUMENT", "unknown field")
    try:
        data = base64.b64decode(asked["payload"]["data"], validate=True)
    except ValueError:
        raise Refused(400, "INVALID_ARGUMENT", "base64")
    if not data:
        raise Refused(400, "INVALID_ARGUMENT", "Secret Payload cannot be empty.")
    if len(data) > 65536:
        raise Refused(400, "INVALID_ARGUMENT", "The secret payload is too large.")
    if asked["payload"]["dataCrc32c"] != str(google_crc32c.value(data)):
        raise Refused(400, "INVALID_ARGUMENT", "Given checksum does not match the payload.")
    versions = place[name]["versions"]
    if name in STATE.between:
        versions.append(fresh(STATE.between.pop(name).encode()))
    versions.append(fresh(data))
    return {"name": f"{at}/secrets/{name}/versions/{len(versions)}", "createTime": "2026-01-01T00:00:00Z",
            "state": "ENABLED", "etag": '"1"', "clientSpecifiedPayloadChecksum": True}


def listing(place, at, query):
    if STATE.unlisted:
        raise Refused(403, "PERMISSION_DENIED", f"Permission 'secretmanager.secrets.list' denied on resource '//secretmanager.googleapis.com/{at}' (or it may not exist).")
    if set(query) - {"pageSize", "filter", "pageToken"}:
        raise Refused(400, "INVALID_ARGUMENT", "unknown parameter")
    size = int(query.get("pageSize", "25000"))
    if not 0 < size <= 25000:
        raise Refused(400, "INVALID_ARGUMENT", "page size")
    wanted = query.get("filter", "")
    names = [name for name, secret in sorted(place.items()) if matches(name, secret, wanted)]
    start = 0
    if "pageToken" in query:
        start = STATE.pages.get((wanted, query["pageToken"]))
        if start is None:
            raise Refused(400, "INVALID_ARGUMENT", "page token")
    end = start + min(size, STATE.page)
    answer = {"secrets": [{"name": f"{at}/secrets/{name}", "labels": place[name]["labels"]} for name in names[start:end]],
              "totalSize": len(names)}
    if end < len(names):
        # With letters that a query must encode.
        token = f"+/{end}=&{len(STATE.pages)}"
        STATE.pages[wanted, token] = end
        answer["nextPageToken"] = token
    return answer


def matches(name, secret, wanted):
    """The part of Google's language of filters that envshim writes."""
    for term in filter(None, wanted.split(" AND ")):
        term = term.strip("()")
        if found := re.fullmatch(r"name:([\w-]+)", term):
            fits = found[1] in name
        elif found := re.fullmatch(r"labels\.([\w-]+)=([\w-]*)", term):
            fits = secret["labels"].get(found[1]) == found[2]
        elif found := re.fullmatch(r"labels\.([\w-]+):\*", term):
            fits = found[1] in secret["labels"]
        else:
            raise Refused(400, "INVALID_ARGUMENT", "filter")
        if not fits:
            return False
    return True


def form(headers, body):
    if headers.get("content-type") != "application/x-www-form-urlencoded":
        raise NotGranted("invalid_request")
    pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    if len(dict(pairs)) != len(pairs):
        raise NotGranted("invalid_request")
    return dict(pairs)


def user(method, host, path, query, headers, body):
    if (method, path, query) != ("POST", "/token", {}):
        raise NotGranted("invalid_request")
    fields = form(headers, body)
    if set(fields) != {"grant_type", "client_id", "client_secret", "refresh_token"} or fields["grant_type"] != "refresh_token":
        raise NotGranted("invalid_request")
    if (fields["client_id"], fields["client_secret"]) != ("id.apps", f"s+/ {CANARY}"):
        raise NotGranted("invalid_client")
    if fields["refresh_token"] != f"1//{CANARY}":
        raise NotGranted("invalid_grant")
    return {"access_token": STATE.mint("user"), "expires_in": 3599, "token_type": "Bearer", "scope": SCOPE}


def exchange(method, host, path, query, headers, body):
    if (method, query) != ("POST", {}):
        raise NotGranted("invalid_request")
    fields = form(headers, body)
    basic = "Basic " + base64.b64encode(f"client:{CANARY}".encode()).decode()
    if path == "/v1/oauthtoken":
        if headers.get("authorization") != basic or fields != {"grant_type": "refresh_token", "refresh_token": f"1//{CANARY}"}:
            raise NotGranted("invalid_grant")
        return {"access_token": STATE.mint("workforce"), "expires_in": 3599, "token_type": "Bearer", "refresh_token": "x"}
    urn = "urn:ietf:params:oauth:"
    wanted = {"grant_type": f"{urn}grant-type:token-exchange", "scope": SCOPE,
              "requested_token_type": f"{urn}token-type:access_token"}
    known = {"audience", "subject_token", "subject_token_type", "options"}
    if path != "/v1/token" or {n: v for n, v in fields.items() if n not in known} != wanted:
        raise NotGranted("invalid_request")
    if "options" in fields and (json.loads(urllib.parse.unquote(fields["options"])) != {"userProject": "payer"}):
        raise NotGranted("invalid_request")
    if headers.get("authorization") not in (None, basic):
        raise NotGranted("invalid_client")
    if headers.get("authorization") and "options" in fields:
        raise NotGranted("invalid_request")
    if fields["audience"] == AWS_AUDIENCE:
        if fields["subject_token_type"] != "urn:ietf:params:aws:token-type:aws4_request" or not aws_signed(fields["subject_token"]):
            raise NotGranted("invalid_grant")
    elif fields["audience"] != AUDIENCE:
        raise NotGranted("invalid_target")
    elif (fields["subject_token_type"], fields["subject_token"]) not in (
            (f"{urn}token-type:jwt", STATE.subject), (f"{urn}token-type:saml2", STATE.subject)):
        raise NotGranted("invalid_grant")
    return {"access_token": STATE.mint("pool"), "issued_token_type": wanted["requested_token_type"],
            "token_type": "Bearer", "expires_in": 3599}


def aws_signed(token):
    """google-auth signs the same request at the same moment."""
    asked = json.loads(urllib.parse.unquote(token))
    headers = {pair["key"].lower(): pair["value"] for pair in asked["headers"]}
    moment = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    if abs(moment.replace(tzinfo=datetime.timezone.utc).timestamp() - time.time()) > 300:
        return False
    google.auth.aws._helpers.utcnow = lambda: moment
    keys = google.auth.aws.AwsSecurityCredentials(*AWS_KEYS)
    url = "https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    own = google.auth.aws.RequestSigner("eu-central-1").get_request_options(
        keys, url, "POST", additional_headers={"x-goog-cloud-target-resource": AWS_AUDIENCE})
    own_headers = {name.lower(): value for name, value in own["headers"].items()}
    return (asked["url"], asked["method"], headers) == (own["url"], own["method"], own_headers) \
        and set(asked) == {"url", "method", "headers"}


def impersonate(method, host, path, query, headers, body):
    who_is(headers)
    found = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", path)
    if method != "POST" or query or not found or headers.get("content-type") != "application/json":
        raise Refused(400, "INVALID_ARGUMENT")
    asked = json.loads(body)
    if set(asked) != {"delegates", "scope", "lifetime"} or asked["scope"] != [SCOPE] \
            or not re.fullmatch(r"[1-9][0-9]*s", asked["lifetime"]) or int(asked["lifetime"][:-1]) > 3600:
        raise Refused(400, "INVALID_ARGUMENT")
    if found[1] not in STATE.impersonable:
        raise Refused(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(asked["lifetime"][:-1]))
    return {"accessToken": STATE.mint(found[1]), "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


def metadata(path, query, headers):
    """Answers with text or JSON, or with a status."""
    if headers.get("metadata-flavor") != "Google" or headers.get("x-forwarded-for"):
        return 403
    root = "/computeMetadata/v1"
    account = f"{root}/instance/service-accounts/default"
    if path == f"{root}/project/project-id" and not query:
        return STATE.machine_project
    if not path.startswith(account) or STATE.machine is None:
        return 404
    if path == f"{account}/email" and not query:
        return STATE.machine
    if path == f"{account}/token" and query in ({}, {"scopes": SCOPE}):
        return {"access_token": STATE.mint(STATE.machine), "expires_in": 3599, "token_type": "Bearer"}
    return 404


HOSTS = {
    "oauth2.googleapis.com": user,
    "sts.googleapis.com": exchange,
    "iamcredentials.googleapis.com": impersonate,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def handle_one(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        host = self.headers.get("Host", "")
        with STATE.lock:
            STATE.asked.append(f"{host} {self.command} {self.path}")
            if self.server.metadata:
                answer = metadata(path, query, self.headers)
                flavor = [("Metadata-Flavor", "Google")]
                status, answer = (answer, "no") if isinstance(answer, int) else (200, answer)
                return self.reply(status, answer, flavor)
            try:
                answer = HOSTS.get(host, secret_manager)(self.command, host, path, query, self.headers, body)
                status = 200
            except (Refused, NotGranted) as refused:
                status, answer = refused.status, refused.body
        self.reply(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = handle_one


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A start opens dozens of connections at once.
    request_queue_size = 256


def serve(context):
    server = Server(("127.0.0.1", 0), Handler)
    server.metadata = context is None
    # Clients end connections as they like.
    server.handle_error = lambda *_: None
    if context:
        # The handshake happens in the thread of the connection.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    ports = {"tls": serve(context), "metadata": serve(None), "file": json.dumps(STATE.file)}
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        method, arguments = json.loads(line)
        with STATE.lock:
            print(json.dumps({"answer": getattr(STATE, method)(**arguments)}), flush=True)


main()
