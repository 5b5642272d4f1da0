"""Administration of a cluster: topics, consumer lag, group members."""
