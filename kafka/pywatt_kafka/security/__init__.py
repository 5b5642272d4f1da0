"""Authentication and encryption of Kafka clients, the same value for every Kafka library."""
