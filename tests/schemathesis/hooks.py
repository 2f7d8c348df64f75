"""What schemathesis needs to be let in: who signs what, and what there is to be found.

Environment: CUSTODYD_KEYS is a folder of key files, CUSTODYD_KNOWN a JSON file of ids by path and of an address.
"""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import requests
import schemathesis

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "python"))
from custodyd_signature import Signature  # noqa: E402

KEYS = Path(os.environ["CUSTODYD_KEYS"])
KNOWN = json.loads(Path(os.environ["CUSTODYD_KNOWN"]).read_text())
# What only a client may ask for. Everything else an operator may, or is shown more of.
OF_CLIENTS = {("POST", "/v1/withdrawals"), ("PUT", "/v1/prices"), ("POST", "/v1/wallets/{id}/addresses")}


def signature(keyid):
    return Signature(keyid, (KEYS / f"{keyid.replace('/', '-')}.pem").read_bytes())


class ByRoute(requests.auth.AuthBase):
    """Signs as who would ask for this."""

    def __init__(self):
        self.client, self.operator = signature("client/exchange"), signature("operator/alice")

    def __call__(self, request):
        path = urlsplit(request.url).path
        if not path.startswith("/v1/"):
            return request
        route = re.sub(r"^/v1/wallets/[^/]+/", "/v1/wallets/{id}/", path)
        return self.client(request) if (request.method, route) in OF_CLIENTS else self.operator(request)


schemathesis.auth.set_from_requests(ByRoute())


@schemathesis.serializer("application/x-tar")
def tar(context, value):
    """A bundle is bytes, whatever is in them."""
    return value if isinstance(value, bytes) else str(value).encode()


def sometimes(value):
    """Half of all values, the same ones each time."""
    return sum(map(ord, str(value))) % 2 == 0


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """An id of the right form is one that exists, half of the time."""
    known = KNOWN["ids"].get(context.operation.path)
    own = (path_parameters or {}).get("id")
    if known and isinstance(own, str) and re.fullmatch(r"(wd_|pr_|tx_|ex_)?[0-9a-f]{32}|[a-z0-9-]{1,64}", own):
        if sometimes(own):
            path_parameters["id"] = known[len(own) % len(known)]
    return path_parameters


@schemathesis.hook
def map_body(context, body):
    """A body that could be meant is about this vault, and something that it holds."""
    if not isinstance(body, dict) or not sometimes(body):
        return body
    plain = {"vault": "main", "asset": "ETH", "destination": KNOWN["address"]}
    for member, value in plain.items():
        own = body.get(member)
        if isinstance(own, str) and (member == "destination" or re.fullmatch(r"[a-z0-9-]{1,64}|[A-Z]{3}", own)):
            body[member] = value
    return body
