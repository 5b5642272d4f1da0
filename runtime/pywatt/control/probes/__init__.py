"""The health endpoints for an orchestrator: readiness and liveness of the app."""
