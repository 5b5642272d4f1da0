"""Settings of confluent-kafka's clients: those that this library chooses, and the options of the user."""
