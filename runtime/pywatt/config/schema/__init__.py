"""Brings a document into the shape of its JSON Schema: placeholders, types, validation."""
