"""Reads for a group engine of librdkafka: polls, records read ahead, ends of partitions, results of commits."""
