"""The dashboard's view of Kafka: clusters, topics, records, groups, webhooks, dead letters."""
