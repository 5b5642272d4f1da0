"""The original (Node): its version of `benchmarks/app`, and how to install it."""
