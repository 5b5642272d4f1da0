"""What is sent to a webhook for a record, which records, how often and when: rules, without waiting."""
