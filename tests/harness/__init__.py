"""What several test layers share: running the installed command and talking to it."""
