"""Asks custodyd for a withdrawal and follows it to its end.

    python withdraw.py --url http://127.0.0.1:8480 --as client/exchange --key exchange.pem \\
        --asset LTC --amount 0.1 --to rltc1q… --order order-7

Prints a line for each state that it sees. Ends with 0 if the withdrawal is final, with 3 if it ended unpaid, with 1 if
custodyd refused it.
"""

import argparse
import sys
import time
from pathlib import Path

import requests

from custodyd_signature import Signature

UNPAID = {"denied", "rejected", "expired", "cancelled", "failed"}


class Refused(Exception):
    """custodyd's own refusal (RFC 9457): a stable type, and a detail for people."""

    def __init__(self, problem):
        super().__init__(f"{problem['title']}: {problem['detail']}")
        self.type = problem["type"]


class Custody:
    """One vault, as one client."""

    def __init__(self, url, keyid, private_key_pem):
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = Signature(keyid, private_key_pem)
        # A proxy that changes Host or path breaks the signature.
        self._session.trust_env = False

    def withdraw(self, order, body, attempts=5):
        """Asks for a payout. `order` is the idempotency key: however often this is repeated, it is paid once."""
        for attempt in range(attempts):
            try:
                answer = self._send("POST", "/v1/withdrawals", json=body, headers={"Idempotency-Key": order})
            except requests.RequestException:
                answer = None  # It may have been taken. The same key asks for the same withdrawal.
            if answer is not None and answer.status_code != 408 and answer.status_code < 500:
                return self._document(answer)
            time.sleep(min(2**attempt, 30))
        raise TimeoutError(f"no answer to {order}; ask again under the same key")

    def show(self, withdrawal):
        """A withdrawal's document."""
        return self._document(self._send("GET", f"/v1/withdrawals/{withdrawal}"))

    def _document(self, answer):
        """The document, waited for where the daemon took the request but has not answered it yet."""
        while answer.status_code == 202:
            time.sleep(0.2)
            answer = self._send("GET", f"/v1/requests/{answer.json()['request']}")
        if answer.status_code >= 400:
            raise Refused(answer.json())
        return answer.json()

    def _send(self, method, path, **request):
        # Each call is signed anew: a nonce is taken once.
        return self._session.request(method, self._url + path, timeout=70, allow_redirects=False, **request)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", required=True)
    options.add_argument("--as", dest="keyid", required=True, metavar="client/ID")
    options.add_argument("--key", type=Path, required=True, metavar="FILE")
    options.add_argument("--vault", default="main")
    options.add_argument("--asset", required=True)
    options.add_argument("--amount", required=True, help="a decimal number in the asset's unit")
    options.add_argument("--to", required=True, metavar="ADDRESS")
    options.add_argument("--order", required=True, help="your reference, and the idempotency key")
    asked = options.parse_args()

    custody = Custody(asked.url, asked.keyid, asked.key.read_bytes())
    body = {
        "vault": asked.vault,
        "asset": asked.asset,
        "amount": asked.amount,
        "destination": asked.to,
        "reference": asked.order,
    }
    try:
        withdrawal = custody.withdraw(asked.order, body)
        state = None
        while True:
            if withdrawal["state"] != state:
                state = withdrawal["state"]
                print(withdrawal["id"], state, withdrawal["state_detail"] or "", flush=True)
            if state == "final":
                return 0
            if state in UNPAID:
                return 3
            time.sleep(0.5)
            withdrawal = custody.show(withdrawal["id"])
    except Refused as refused:
        print(f"{refused} ({refused.type})", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
