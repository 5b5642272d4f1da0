"""JSON Web Tokens of clients: keys, also of issuers that publish them, and checks."""
