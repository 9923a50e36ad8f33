"""A cluster's API server asked straight: for what is too much for kubectl, which sends five requests a second."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path

import httpx
import yaml


class ApiServer:
    """A cluster's API server by its kubeconfig (one that carries its certificates in itself)."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = str(cluster["server"])
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if "client-certificate-data" in user:
            # The ssl module reads certificates from files only.
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
                pair.flush()
                self.context.load_cert_chain(pair.name)

    def client(self, *, read_seconds: float = 30) -> httpx.Client:
        """Return a client for requests one after another."""
        timeout = httpx.Timeout(10, read=read_seconds)
        return httpx.Client(base_url=self.url, verify=self.context, headers=self.headers, timeout=timeout, trust_env=False)

    def async_client(self) -> httpx.AsyncClient:
        """Return a client for many requests at once."""
        return httpx.AsyncClient(base_url=self.url, verify=self.context, headers=self.headers, timeout=30, trust_env=False)
