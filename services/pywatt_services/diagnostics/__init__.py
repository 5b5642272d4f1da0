"""Reports problems: of a config to its reader, repeated ones to the log at intervals."""
