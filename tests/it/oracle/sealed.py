"""The sealed file, from docs/format.md alone: opens what envshim seals, seals what envshim opens.

    sealed.py open FILE (password TEXT | key KEYFILE)      plain text to stdout
    sealed.py seal FILE [password TEXT | key KEYFILE]...   plain text from stdin
    sealed.py fernet FILE PASSWORD [SALT]                  an old token, plain text from stdin
"""

import base64
import hashlib
import os
import sys

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

FIRST = b"envshim sealed file, format 1\n"


def sha(label, key):
    return hashlib.sha256(label + key).digest()


def read_key(path):
    prefix, letters = open(path).read().strip().split(":")
    assert prefix == "envshim-key-1" and len(letters) == 48
    raw = base64.urlsafe_b64decode(letters)
    assert sha(b"envshim-key-1:", raw[:32])[:4] == raw[32:]
    return raw[:32]


def key_id(key):
    return sha(b"envshim key id\n", key)[:8].hex().encode()


def stretch(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha256", password, salt, rounds)


def unseal(key, sealed, label):
    return AESGCMSIV(key).decrypt(sealed[:12], sealed[12:], label)


def seal(key, plain, label):
    nonce = os.urandom(12)
    return nonce + AESGCMSIV(key).encrypt(nonce, plain, label)


def open_file(path, kind, secret):
    lines = open(path, "rb").read().splitlines(keepends=True)
    assert lines[0] == FIRST
    assert all(line.endswith(b"\n") and not line.endswith(b"\r\n") for line in lines)
    end = next(n for n, line in enumerate(lines) if line.startswith(b"content "))
    for line in lines[1:end]:
        if line.startswith(b"#"):
            continue
        *lead, wrapped = line.rstrip(b"\n").split(b" ")
        if kind == "password" and lead[:3] == [b"slot", b"password", b"pbkdf2-sha256"]:
            slot_key = stretch(secret, base64.b64decode(lead[4], validate=True), int(lead[3]))
        elif kind == "key" and lead == [b"slot", b"key", key_id(secret)]:
            slot_key = secret
        else:
            continue
        wrapped = base64.b64decode(wrapped, validate=True)
        assert len(wrapped) == 60
        file_key = unseal(slot_key, wrapped, FIRST + b" ".join(lead))
        word, cipher, check = lines[end].rstrip(b"\n").split(b" ")
        assert (word, cipher) == (b"content", b"aes-256-gcm-siv")
        assert base64.b64decode(check, validate=True) == sha(b"envshim file key\n", file_key)
        content = [line.rstrip(b"\n") for line in lines[end + 1 :]]
        assert all(len(line) == 76 for line in content[:-1]) and 1 <= len(content[-1]) <= 76
        content = base64.b64decode(b"".join(content), validate=True)
        return unseal(file_key, content, b"".join(lines[: end + 1]))
    sys.exit("no slot for this")


def seal_file(path, plain, secrets):
    file_key = os.urandom(32)
    text = FIRST + b"# made by another program\n#\n"
    for kind, secret in secrets:
        if kind == "password":
            salt = os.urandom(16)
            lead = b"slot password pbkdf2-sha256 150000 " + base64.b64encode(salt)
            slot_key = stretch(secret, salt, 150_000)
        else:
            lead = b"slot key " + key_id(secret)
            slot_key = secret
        text += lead + b" " + base64.b64encode(seal(slot_key, file_key, FIRST + lead)) + b"\n"
    check = base64.b64encode(sha(b"envshim file key\n", file_key))
    text += b"content aes-256-gcm-siv " + check + b"\n"
    content = base64.b64encode(seal(file_key, plain, text))
    for at in range(0, len(content), 76):
        text += content[at : at + 76] + b"\n"
    with open(path, "wb") as out:
        out.write(text)


def fernet(path, plain, password, salt):
    if salt:
        key = hashlib.pbkdf2_hmac("sha256", password, open(salt, "rb").read(), 480_000)
    else:
        key = password.ljust(32)[:32]
    with open(path, "wb") as out:
        out.write(Fernet(base64.urlsafe_b64encode(key)).encrypt(plain))


def main():
    verb, path, *rest = sys.argv[1:]
    if verb == "fernet":
        salt = rest[1] if len(rest) > 1 else None
        return fernet(path, sys.stdin.buffer.read(), rest[0].encode(), salt)
    pairs = zip(rest[::2], rest[1::2])
    secrets = [(kind, read_key(s) if kind == "key" else s.encode()) for kind, s in pairs]
    if verb == "seal":
        return seal_file(path, sys.stdin.buffer.read(), secrets)
    sys.stdout.buffer.write(open_file(path, *secrets[0]))


main()
