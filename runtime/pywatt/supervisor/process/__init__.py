"""Worker processes and the kernel objects around them: forks, sockets, pipes, exit statuses."""
