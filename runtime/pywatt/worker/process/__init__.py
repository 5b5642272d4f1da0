"""The worker as a process: forkserver, launch, interpreter, signals, exit."""
