"""The gateway beside the bare service, nginx, HAProxy, Envoy and the original, and what each of its features costs."""
