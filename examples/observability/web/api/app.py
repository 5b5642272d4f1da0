"""An API with a metric of its own, which appears on the app's page beside those of pywatt."""

from fastapi import FastAPI
from prometheus_client import Counter

ORDERS = Counter("orders_total", "Orders by country", ["country"])

app = FastAPI()


@app.post("/orders/{country}")
async def order(country: str) -> dict[str, str]:
    ORDERS.labels(country).inc()
    return {"country": country}
