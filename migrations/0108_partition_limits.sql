ALTER TABLE {schema}queues ADD COLUMN {if_missing} partition_concurrency INT4;
ALTER TABLE {schema}queues ADD COLUMN {if_missing} partition_worker_concurrency INT4;
ALTER TABLE {schema}queues ADD COLUMN {if_missing} partition_rate_limit_max INT4;
ALTER TABLE {schema}queues ADD COLUMN {if_missing} partition_rate_limit_period_sec DOUBLE PRECISION;
