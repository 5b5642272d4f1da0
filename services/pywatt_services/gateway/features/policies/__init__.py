"""Exchanges that ask the policies of their route, and the functions of users."""
