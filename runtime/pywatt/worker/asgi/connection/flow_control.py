"""Backpressure of a connection: pauses reading while the application or the queue is full."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl


class WorkerFlowControl(FlowControl):
    """Tracks the reasons for a pause apart: a body that is not taken, as in uvicorn, and requests that wait."""

    _for_body = False
    _for_held = False

    def pause_reading(self) -> None:
        self._for_body = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._for_body = False
        if not self._for_held:
            super().resume_reading()

    def hold(self) -> None:
        """Read nothing until the requests that wait have been served."""
        self._for_held = True
        super().pause_reading()

    def release(self) -> None:
        """Read on, unless a body is not taken."""
        if self._for_held:
            self._for_held = False
            if not self._for_body:
                super().resume_reading()
