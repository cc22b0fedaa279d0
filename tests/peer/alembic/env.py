"""Runs the revisions on the database of DBOS_TEST_ALEMBIC_URL, in one transaction, as Alembic's template does."""
import os

import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine(os.environ["DBOS_TEST_ALEMBIC_URL"])
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
