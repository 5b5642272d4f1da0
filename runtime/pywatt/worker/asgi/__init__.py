"""Serves ASGI applications under uvicorn or hypercorn: engines, connections, draining."""
