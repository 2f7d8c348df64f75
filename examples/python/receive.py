"""Receives custodyd's webhooks and prints those whose signature holds (Standard Webhooks).

    python receive.py --listen 127.0.0.1:9000 --secret webhook.secret

The secret's file holds one line, `whsec_…`. The library checks the signature over id, time and body, and refuses a message
that is more than five minutes old. What it does not know is whether an id came before: a delivery is repeated until it was
taken, so keep the ids that you have seen.
"""

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LONGEST = 1024 * 1024


class Receiver(BaseHTTPRequestHandler):
    """Takes a message if its signature holds, once."""

    webhook = None
    seen = set()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if length > LONGEST:
            return self.answer(413)
        body = self.rfile.read(length)
        # Before anything is read from it: the signature is over the bytes as they came.
        try:
            self.webhook.verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError as fault:
            print("refused:", fault, file=sys.stderr, flush=True)
            return self.answer(401)
        message = self.headers["webhook-id"]
        if message not in self.seen:
            self.seen.add(message)
            print(json.dumps(json.loads(body)), flush=True)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--listen", required=True, metavar="HOST:PORT")
    options.add_argument("--secret", type=Path, required=True, metavar="FILE")
    asked = options.parse_args()
    Receiver.webhook = Webhook(asked.secret.read_text().strip())
    host, port = asked.listen.rsplit(":", 1)
    server = HTTPServer((host, int(port)), Receiver)
    print("listening on {}:{}".format(*server.server_address), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
