"""PostgreSQL: connections, tables, migrations, and the ports that they fulfil."""
