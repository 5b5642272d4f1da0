"""Reads as a member of a share group: every record has an acknowledgement of its own, and there is no order."""
