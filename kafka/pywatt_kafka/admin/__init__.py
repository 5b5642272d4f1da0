"""Administration of a cluster: topics, group members."""
