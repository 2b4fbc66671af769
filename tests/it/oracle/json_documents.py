"""Compares our JSON reader and writer with Python's.

stdin: records of one verdict byte (`+` read, `-` refused), two lengths (4 bytes each, big endian), a document, and what we
wrote after reading it. stdout: one line per disagreement, then how many documents both read and both refused.

Intended differences, applied to Python's verdict: NaN and the infinities, half surrogate pairs and more than 64 levels
are refused; bytes are UTF-8 and nothing else. Numbers are compared as they are written.
"""

import json
import sys


class Number(str):
    """A number as text; never equal to a JSON text."""

    def __eq__(self, other):
        return isinstance(other, Number) and str.__eq__(self, other)

    __hash__ = str.__hash__


def refuse(word):
    raise ValueError(word)


def whole(value):
    """Refuses half surrogate pairs, also in fields that a later one replaces."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list):
        for entry in value:
            whole(entry)
    return value


def fields(pairs):
    for name, value in pairs:
        whole(name)
        whole(value)
    return dict(pairs)


def once(pairs):
    """We write each name once, so that no reader has to choose."""
    if len(dict(pairs)) < len(pairs):
        raise SystemExit("a name is written twice")
    return fields(pairs)


def depth(text):
    deepest = level = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def read(document, hook):
    text = document.decode("utf-8-sig")
    value = json.loads(
        text,
        parse_int=Number,
        parse_float=Number,
        parse_constant=refuse,
        object_pairs_hook=hook,
    )
    whole(value)
    if depth(text) > 64:
        raise ValueError("deep")
    return value


def same(a, b):
    """Equal, and the fields in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def main():
    sys.setrecursionlimit(20_000)
    stdin = sys.stdin.buffer
    accepted = refused = 0
    while verdict := stdin.read(1):
        sizes = stdin.read(8)
        document = stdin.read(int.from_bytes(sizes[:4], "big"))
        written = stdin.read(int.from_bytes(sizes[4:], "big"))
        try:
            want = read(document, fields)
        except (ValueError, RecursionError) as error:
            refused += 1
            if verdict == b"+":
                print("we read, Python refuses:", ascii(document), error)
            continue
        accepted += 1
        if verdict == b"-":
            print("we refuse, Python reads:", ascii(document))
        elif not same(want, read(written, once)):
            print("another value:", ascii(document), "became", ascii(written))
    print(f"read {accepted} refused {refused}")


main()
