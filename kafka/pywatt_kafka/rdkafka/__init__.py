"""The engines of librdkafka (the package confluent-kafka): threads wait for it and pass results on in batches."""
