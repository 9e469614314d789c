"""A service in Python: registers itself, answers calls and health checks, and leaves when it is stopped."""

import http.client
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REGISTRY = os.environ.get("SERVICE_DISCOVERY_REGISTRY_URL", "http://127.0.0.1:3000") + "/service-discovery"
TOKEN = os.environ.get("SERVICE_DISCOVERY_TOKEN")
HOST = os.environ.get("HOST", "127.0.0.1")  # on several machines: the address at which others reach this one
LISTEN = os.environ.get("LISTEN", HOST)  # 0.0.0.0 where that address is not one of this machine's own, as in a container
TTL = 30  # seconds until the registration ends without a heartbeat
in_flight = set()  # the threads that answer a call


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    def do_GET(self):
        in_flight.add(threading.get_ident())
        try:
            self.answer()
        finally:
            in_flight.discard(threading.get_ident())

    def answer(self):
        answer = {"status": "ok"} if self.path == "/health" else {"hello": self.path[1:], "servedBy": os.getpid()}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def send(method, path, body=None):
    headers = {"content-type": "application/json"}
    if TOKEN:
        headers["authorization"] = f"Bearer {TOKEN}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(REGISTRY + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read()


def stay_registered(port, stopping):
    """Renews the registration, and registers where the registry does not know it: at the start, or after its restart."""
    instance = f"/services/greeter/instances/greeter-{HOST}-{port}"
    is_registered = False
    while True:
        try:
            try:
                send("PUT", f"{instance}/heartbeat")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                send("POST", "/register", {
                    "service_name": "greeter",
                    "instance_id": instance.split("/")[-1],
                    "host": HOST,
                    "port": port,
                    "version": "1.0.0",
                    "ttl": TTL,
                })
            if not is_registered:
                print(f"greeter is registered at http://{HOST}:{port}", flush=True)
            is_registered = True
        except (OSError, http.client.HTTPException) as error:  # the registry is away, or refuses: try again
            is_registered = False
            reason = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            print(f"not registered: {error} {reason}", flush=True)
        if stopping.wait(TTL / 6 if is_registered else 1):
            break
    try:
        send("DELETE", instance)
    except OSError:
        pass  # the registration ends by itself


server = ThreadingHTTPServer((LISTEN, int(os.environ.get("PORT", "0"))), Handler)
stopping = threading.Event()
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: stopping.set())
threading.Thread(target=server.serve_forever, daemon=True).start()
stay_registered(server.server_port, stopping)
time.sleep(1)  # until callers know
while in_flight:
    time.sleep(0.1)
server.shutdown()
