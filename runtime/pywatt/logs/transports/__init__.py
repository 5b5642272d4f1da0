"""The places that log records are sent to: files, terminals, and code of users in processes of its own."""
