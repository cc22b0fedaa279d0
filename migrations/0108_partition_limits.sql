ALTER TABLE {schema}queues ADD COLUMN partition_concurrency INT4;
ALTER TABLE {schema}queues ADD COLUMN partition_worker_concurrency INT4;
ALTER TABLE {schema}queues ADD COLUMN partition_rate_limit_max INT4;
ALTER TABLE {schema}queues ADD COLUMN partition_rate_limit_period_sec DOUBLE PRECISION;
