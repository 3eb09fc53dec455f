"""A receiver of webhooks that verifies them with the official Python library of Standard Webhooks.

Prints its URL, refuses the first attempt at each event (500), and what does not verify (400). Ends when its standard
input does; exit code 0 when everything verified with both keys, in the order of each interaction, and something came.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

KEYS = [Webhook("whsec_" + base64.b64encode(letter * 32).decode()) for letter in (b"a", b"b")]
OTHER = Webhook("whsec_" + base64.b64encode(b"c" * 32).decode())

lock = threading.Lock()
seen = set()
taken = []
faults = []


def verify(body, headers):
    for key in KEYS:
        if key.verify(body, headers) != json.loads(body):
            return "the library read another body"
    for wrong_key, wrong_body in ((OTHER, body), (KEYS[0], body.replace('"1.0"', '"1.1"'))):
        try:
            wrong_key.verify(wrong_body, headers)
            return "what is wrong verified"
        except WebhookVerificationError:
            pass
    return None


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            fault = verify(body, headers)
        except WebhookVerificationError as error:
            fault = str(error)
        with lock:
            identity = headers.get("webhook-id")
            if fault:
                faults.append(fault)
                status = 400
            elif identity not in seen:
                seen.add(identity)
                status = 500
            else:
                event = json.loads(body)
                taken.append((event["subject"], int(event["position"])))
                status = 204
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}/hook", flush=True)
sys.stdin.read()
streams = {subject for subject, _ in taken}
ordered = all(
    positions == sorted(set(positions))
    for positions in ([at for subject, at in taken if subject == stream] for stream in streams)
)
print(f"python: {len(taken)} taken, {len(faults)} faults {faults[:3]}, in order: {ordered}", flush=True)
sys.exit(0 if taken and ordered and not faults else 1)
