"""Dead letters: reading them, sending their records back to where they came from, deleting them."""
