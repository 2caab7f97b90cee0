"""The database underneath: connections, transactions, statements and migrations."""
