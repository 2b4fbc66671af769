"""What other programs read from an export: prints {"NAME": "base64 of the value"}."""

import base64
import io
import json
import sys

# The oracles beside this file have names of packages.
sys.path.pop(0)


def k8s(data):
    import yaml

    secret = yaml.safe_load(data)
    assert secret["apiVersion"] == "v1" and secret["kind"] == "Secret", secret
    assert secret["metadata"] == {"name": "web"} and secret["type"] == "Opaque", secret
    return {name: base64.b64decode(value, validate=True) for name, value in secret["data"].items()}


def dotenv(data):
    from dotenv import dotenv_values

    return {
        name: value.encode()
        for name, value in dotenv_values(stream=io.StringIO(data.decode()), interpolate=True).items()
        if value is not None
    }


def github(data):
    """The file of $GITHUB_ENV, line by line as the runner reads it."""
    text = data.decode()
    values, at = {}, 0

    def line():
        nonlocal at
        if at >= len(text):
            return None, ""
        end = text.find("\n", at)
        begin = at
        if end < 0:
            at = len(text)
            return text[begin:], ""
        at = end + 1
        return text[begin:end], "\n"

    while True:
        head, _ = line()
        if head is None:
            return values
        if not head:
            continue
        equals, heredoc = head.find("="), head.find("<<")
        assert heredoc > 0 and (equals < 0 or heredoc < equals), head
        name, delimiter = head.split("<<", 1)
        begin = end = at
        while True:
            found, newline = line()
            assert found is not None, "no delimiter"
            if found == delimiter:
                break
            end = at - len(newline)
        values[name] = text[begin:end].encode()


READERS = {
    "json": lambda data: {name: value.encode() for name, value in json.loads(data).items()},
    "k8s": k8s,
    "dotenv": dotenv,
    "github": github,
}

found = READERS[sys.argv[1]](sys.stdin.buffer.read())
json.dump({name: base64.b64encode(value).decode() for name, value in found.items()}, sys.stdout)
