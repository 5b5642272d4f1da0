"""Share groups (KIP-932): members share partitions, and acknowledge each record."""
