"""What `pywatt create` makes: templates, the files that come of them, and writing those all or not at all."""
