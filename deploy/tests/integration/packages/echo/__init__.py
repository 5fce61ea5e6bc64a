"""A service with nothing to do: enough of one to be started, watched, killed and restarted."""
