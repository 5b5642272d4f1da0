"""The gateway against the bare service, nginx and HAProxy: answers per second and p99 of a small GET.

python -m benchmarks.proxy [--seconds N]

All contestants run at the same time and are loaded in turn. The service is the same everywhere: one worker, plain ASGI.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template

from benchmarks import apps
from benchmarks.load import SECONDS, requests

APP = apps.ROOT / "benchmarks/app"
CONNECTIONS = (32, 256)

NGINX = Template("""
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log stderr;
events { worker_connections 2048; }
http {
  access_log off; client_body_temp_path $folder/body; proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi; uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
  upstream service { server 127.0.0.1:$upstream; keepalive 256; }
  server {
    listen 127.0.0.1:$port;
    location /api/ { proxy_pass http://service/; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
""")
HAPROXY = Template("""
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend public
  bind 127.0.0.1:$port
  http-request replace-path /api(/.*)? \\1
  default_backend service
backend service
  http-reuse always
  server one 127.0.0.1:$upstream
""")


@contextmanager
def peer(program: str, template: Template, upstream: int, folder: Path) -> Iterator[apps.App]:
    """Run nginx or HAProxy in front of the bare service."""
    port = apps.free_port()
    config = folder / f"{program}.conf"
    config.write_text(template.substitute(folder=folder, port=port, upstream=upstream))
    command = [program, "-p", str(folder), "-c", str(config)] if program == "nginx" else [program, "-f", str(config)]
    with apps.running(command, folder) as app:
        app.port = port
        yield app


def main() -> None:
    """Measure all proxies that are installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    seconds = parser.parse_args().seconds

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bare = stack.enter_context(apps.running([apps.PYWATT, "start", "-c", "watt.bare.json"], APP))
        bare.wait_for("/hello")
        contestants = {"bare service": (bare, "/hello")}
        contestants["pywatt"] = (stack.enter_context(apps.running([apps.PYWATT, "start"], APP)), "/api/hello")
        for program, template in (("nginx", NGINX), ("haproxy", HAPROXY)):
            if shutil.which(program):
                contestants[program] = (stack.enter_context(peer(program, template, bare.port, folder)), "/api/hello")
        if apps.ORIGINAL:
            command = apps.original_command(apps.ORIGINAL)
            contestants["original"] = (stack.enter_context(apps.running(command, Path(apps.ORIGINAL))), "/api/hello")
        for app, path in contestants.values():
            app.wait_for(path)

        for connections in CONNECTIONS:
            loads = {
                name: requests(app.url + path, connections=connections, seconds=seconds)
                for name, (app, path) in contestants.items()
            }
            for name, load in loads.items():
                print(
                    f"{connections:4} connections   {name:13} {load.rate:8.0f} req/s   p50 {load.p50:7.2f} ms"
                    f"   p99 {load.p99:7.2f} ms   failed {load.failed}"
                    f"   {load.rate / loads['bare service'].rate:5.0%} of the bare service"
                )


if __name__ == "__main__":
    main()
