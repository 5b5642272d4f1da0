"""Dead letters: decoding, listing, redriving and deleting them."""
