"""The Kafka client beside the bare libraries: CPU per record and records per second."""
