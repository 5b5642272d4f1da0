"""Commands that work on the files of an app, running or not."""
