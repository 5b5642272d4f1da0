"""Consumer lag: its measurement, and verdicts by a sliding window of measurements."""
