"""From a service's document to frozen options."""
