"""The commands of `pywatt kafka`: a broker for development, topics, consumer lag and dead letters."""
