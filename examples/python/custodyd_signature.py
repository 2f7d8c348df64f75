"""Signs requests to custodyd (HTTP Message Signatures, RFC 9421; Content-Digest, RFC 9530) with a stock library.

    session = requests.Session()
    session.auth = Signature("client/exchange", open("exchange.pem", "rb").read())

The key is a PKCS#8 PEM file, as `custodyctl keygen` or `openssl genpkey -algorithm ed25519` makes it. It decides the
algorithm: Ed25519, or ECDSA over P-256 for an operator. docs/API.md, "Authentication", says what is signed.
"""

import datetime
import secrets

import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms


class _Key(HTTPSignatureKeyResolver):
    """The library asks for a key by its id; there is one."""

    def __init__(self, pem):
        self._pem = pem

    def resolve_private_key(self, key_id):
        return self._pem

    def resolve_public_key(self, key_id):
        raise LookupError(f"{key_id}: nothing is verified here")


class Signature(requests.auth.AuthBase):
    """Signs each request just before it is sent, as `keyid`: client/<id> or operator/<id>."""

    def __init__(self, keyid, private_key_pem):
        self._keyid = keyid
        match load_pem_private_key(private_key_pem, password=None):
            case ed25519.Ed25519PrivateKey():
                algorithm = algorithms.ED25519
            case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
                algorithm = algorithms.ECDSA_P256_SHA256
            case _:
                raise ValueError("the key is neither Ed25519 nor P-256")
        self._signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=_Key(private_key_pem))

    def __call__(self, request):
        # What is sent again is signed anew.
        for name in ("Content-Digest", "Signature-Input", "Signature"):
            request.headers.pop(name, None)
        covered = ["@method", "@authority", "@path"]
        if "?" in request.path_url:
            covered.append("@query")
        body = request.body.encode() if isinstance(request.body, str) else request.body
        # What is sent is covered, and nothing else: custodyd refuses more and less.
        if body:
            request.body = body
            covered.append("content-digest")
        covered += [name for name in ("content-type", "idempotency-key") if name in request.headers]
        self._signer.sign(
            request,
            key_id=self._keyid,
            label="sig1",
            created=datetime.datetime.now(datetime.timezone.utc),
            nonce=secrets.token_urlsafe(24),
            covered_component_ids=covered,
            body=body or None,
        )
        return request
