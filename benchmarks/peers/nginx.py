"""nginx as reverse proxy with kept-alive upstream connections: the floor of any gateway."""

from __future__ import annotations

import shutil

from benchmarks.peers.base import BENCH, INSTALL, Gateway

CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    upstream stub {{
        server 127.0.0.1:{stub};
        keepalive 128;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Nginx(Gateway):
    name = "nginx"

    @classmethod
    def missing(cls) -> str | None:
        return None if _binary() else f"{INSTALL} nginx"

    def command(self) -> list[str]:
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=self.folder, stub=self.stub, port=self.port))
        return [_binary() or "nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(config)]


def _binary() -> str | None:
    unpacked = BENCH / "nginx" / "usr" / "sbin" / "nginx"
    return shutil.which("nginx") or (str(unpacked) if unpacked.exists() else None)
