"""What a route answers itself: redirects, and files of a folder."""
