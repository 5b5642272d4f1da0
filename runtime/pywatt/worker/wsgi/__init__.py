"""Serving WSGI applications (PEP 3333) as ASGI applications."""
