"""Where Postgres is spoken to: numbered migrations, named queries, and the one store that runs them."""
