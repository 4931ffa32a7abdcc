"""Proxies that the environment names: the SDKs use them for every server, also for one on this machine."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment


def proxy_variable(url: str) -> str | None:
    """Return the name of the variable whose proxy requests to `url` go through; None if they go there directly."""
    parts, proxies = urlsplit(url), getproxies_environment()
    scheme = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None or _excepted(parts, proxies.get("no", "")):
        return None
    set_so = (name for name, value in os.environ.items() if value == proxies[scheme])
    return next((name for name in set_so if name.lower() == f"{scheme}_proxy"), None)


def is_this_machine(url: str) -> bool:
    """Return whether a server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _excepted(url: SplitResult, no_proxy: str) -> bool:
    """Return whether NO_PROXY lists the host: itself, with its port, a domain above it, a network, or `*`."""
    host = url.hostname or ""
    for entry in map(str.strip, no_proxy.lower().split(",")):
        bare = entry.rpartition("://")[2]
        try:
            if entry == "*" or ip_address(host) in ip_network(bare.strip("[]"), strict=False):
                return True
        except ValueError:  # a name, or an address with a port
            try:
                listed = urlsplit(f"//{bare}")
                name, port = listed.hostname or "", listed.port
            except ValueError:
                continue
            domain = name.lstrip("*.")
            if domain and port in (None, url.port) and (host == name or host.endswith(f".{domain}")):
                return True
    return False
