"""Calls a service by its name: python3 call.py greeter /Ada"""

import json
import os
import sys
import urllib.request

REGISTRY = os.environ.get("SERVICE_DISCOVERY_REGISTRY_URL", "http://127.0.0.1:3000") + "/service-discovery"
TOKEN = os.environ.get("SERVICE_DISCOVERY_TOKEN")


def address_of(service):
    """The address of an instance that may be called. The registry balances: ask again for each call."""
    headers = {"authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    request = urllib.request.Request(f"{REGISTRY}/discover/{service}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)["base_url"]


service, path = sys.argv[1], sys.argv[2]
with urllib.request.urlopen(address_of(service) + path, timeout=5) as response:
    print(response.read().decode())
