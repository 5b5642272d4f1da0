"""What the exchanges of single routes do beyond passing a request on."""
