"""python-dotenv as an oracle: files (or paths, with `paths`) in on stdin, each with its length in
front as four bytes; what python-dotenv makes of them out on stdout, in the same framing."""

import io
import logging
import struct
import sys

from dotenv import dotenv_values
from dotenv.parser import parse_stream

UNDECODABLE = 0xFFFFFFFF
given, out = sys.stdin.buffer, io.BytesIO()
logging.disable()


def number(n):
    out.write(struct.pack("<I", n))


def block(text):
    data = text.encode()
    number(len(data))
    out.write(data)


def variable(name, value):
    block(name)
    number(0 if value is None else 1)
    if value is not None:
        block(value)


def variables(pairs):
    number(len(pairs))
    for name, value in pairs:
        variable(name, value)


def file(data):
    try:
        # The same decoding, universal newlines included, as open() gives a path.
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()
    except UnicodeDecodeError:
        number(UNDECODABLE)
        return
    statements = list(parse_stream(io.StringIO(text)))
    number(sum(statement.error for statement in statements))
    variables([(s.key, s.value) for s in statements if s.key is not None])
    variables(list(dotenv_values(stream=io.StringIO(text)).items()))


while header := given.read(4):
    data = given.read(struct.unpack("<I", header)[0])
    if sys.argv[1:] == ["paths"]:
        variables(list(dotenv_values(data.decode()).items()))
    else:
        file(data)
sys.stdout.buffer.write(out.getvalue())
