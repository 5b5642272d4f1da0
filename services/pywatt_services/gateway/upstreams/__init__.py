"""Rules about the upstreams of a route: turns, health, retries, circuit breakers."""
