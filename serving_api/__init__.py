"""The read API: serves the live release from Redis, and the contract that the publisher writes by."""
