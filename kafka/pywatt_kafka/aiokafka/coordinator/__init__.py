"""Extensions of the coordinator of an AIOKafkaConsumer: what it sends to its group, and makes of the answers."""
