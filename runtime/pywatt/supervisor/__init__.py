"""The supervisor: starts every service, keeps it running, tells each where the others are, stops all in order."""
