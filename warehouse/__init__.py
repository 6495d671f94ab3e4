"""How PostgreSQL is touched: settings, connections, migrations and the embedded servers."""
