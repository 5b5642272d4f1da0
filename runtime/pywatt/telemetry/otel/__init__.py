"""Parts of OpenTelemetry's SDK that a worker replaces by its own."""

# Before any tracer provider. In the child of a fork a provider starts threads, which needs a lock of this module's; its
# own handler, which frees that lock, comes first only if it was imported first. Else the child waits for ever.
import concurrent.futures.thread  # noqa: F401
