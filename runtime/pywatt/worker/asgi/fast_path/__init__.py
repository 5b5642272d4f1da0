"""The short way of plain HTTP/1.1 requests past uvicorn's callbacks."""
