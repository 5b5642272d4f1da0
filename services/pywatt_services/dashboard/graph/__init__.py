"""The graph of the app: services, Kafka topics and targets of webhooks, with the traffic between them."""
