"""Reads secrets with Microsoft's own libraries: the credential's kind, then names, or nothing for a whole vault.

Prints a JSON object of names and values; `name#tags` is the tags of a secret.
"""

import json
import os
import sys

from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient

env = os.environ
kind, names = sys.argv[1], sys.argv[2:]
who = {"tenant_id": env.get("AZURE_TENANT_ID"), "client_id": env.get("AZURE_CLIENT_ID")}
here = {"disable_instance_discovery": True}
credential = {
    "secret": lambda: ClientSecretCredential(**who, client_secret=env["AZURE_CLIENT_SECRET"], **here),
    "certificate": lambda: CertificateCredential(
        **who, certificate_path=env["AZURE_CLIENT_CERTIFICATE_PATH"], send_certificate_chain=True, **here),
    "workload": lambda: WorkloadIdentityCredential(**here),
    "managed": lambda: ManagedIdentityCredential(client_id=env.get("AZURE_CLIENT_ID")),
    "default": lambda: DefaultAzureCredential(**here),
}[kind]()
client = SecretClient(env["AZURE_VAULT_URL"], credential)
if not names:
    names = [item.name for item in client.list_properties_of_secrets() if item.enabled]


def read(name):
    if name.endswith("#tags"):
        return dict(sorted(client.get_secret(name.removesuffix("#tags")).properties.tags.items()))
    return client.get_secret(name).value


print(json.dumps({name: read(name) for name in names}))
