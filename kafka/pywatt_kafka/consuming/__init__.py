"""Reading records: as a member of a group, or from the ends of topics."""
