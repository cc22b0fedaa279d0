-- Tells every listening process of a message when its transaction commits. Where the database can notify.
CREATE FUNCTION {schema}notifications_function() RETURNS TRIGGER LANGUAGE plpgsql
{pin_search_path} AS $body$
BEGIN
  PERFORM pg_notify('dbos_notifications_channel', NEW.destination_uuid || '::' || NEW.topic);
  RETURN NEW;
END;
$body$;

CREATE TRIGGER dbos_notifications_trigger AFTER INSERT ON {schema}notifications
  FOR EACH ROW EXECUTE FUNCTION {schema}notifications_function();
