"""Who may: keys and tokens, what each route asks for, rate limits, the audit (docs/adr/0043-who-may.md)."""
