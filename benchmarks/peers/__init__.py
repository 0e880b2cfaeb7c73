"""The gateways that Coterie is measured against: how each is installed, configured and started."""

from __future__ import annotations

from benchmarks.peers.base import Gateway
from benchmarks.peers.coterie import Coterie
from benchmarks.peers.litellm import LiteLLM
from benchmarks.peers.nginx import Nginx
from benchmarks.peers.portkey import Portkey

__all__ = ["GATEWAYS", "Gateway"]

GATEWAYS: dict[str, type[Gateway]] = {
    "nginx": Nginx,
    "coterie": Coterie,
    "portkey": Portkey,
    "litellm": LiteLLM,
}
