"""Protocols and settings of the engines beneath producers and consumers, the same for every Kafka library."""
