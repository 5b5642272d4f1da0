"""The pair of sockets between the supervisor and each worker: framed, typed messages both ways."""
