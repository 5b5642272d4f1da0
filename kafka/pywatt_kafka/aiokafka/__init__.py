"""The engines of aiokafka, with its settings, errors and workarounds. The only folder that uses its private parts."""
