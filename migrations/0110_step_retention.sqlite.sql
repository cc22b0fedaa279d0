-- SQLite adds no column whose default is an expression; version 112 makes the table anew.
ALTER TABLE operation_outputs ADD COLUMN retention_timestamp INTEGER;
