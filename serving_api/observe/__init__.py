"""What operators see of the read API: logs, metrics, traces, tracked errors."""
