"""The commands that read and write records, and the forms in which they show them."""
