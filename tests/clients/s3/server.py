"""An S3-compatible server with one bucket, for `cargo xtask s3`. Prints its port, ends with its input."""

import sys
import urllib.request

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/ledgerline", method="PUT")).read()
print(port, flush=True)
sys.stdin.read()
server.stop()
