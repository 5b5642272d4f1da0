"""The engine on librdkafka (the package confluent-kafka): it waits in threads and hands over what came in batches."""
