-- @ is the schema. All names have it, because triggers run under the search_path of the program that writes.

-- Documents. PostgreSQL parses and plans each CHECK anew for each statement, so there is one for all columns.
CREATE TABLE @.app_data (
	workspace_id text COLLATE "C" NOT NULL,
	app_id text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL
		DEFAULT lpad(to_hex(extract(epoch FROM clock_timestamp())::bigint), 8, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16),
	data jsonb NOT NULL,
	created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
	updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (workspace_id, app_id, collection, id),
	CONSTRAINT app_data_is_sound CHECK (jsonb_typeof(data) = 'object' AND '' <> ALL (ARRAY[workspace_id, app_id, collection, id])
		AND least(created_at, updated_at) >= '1970-01-01 00:00:00Z' AND greatest(created_at, updated_at) < '10000-01-01 00:00:00Z')
);

-- The order of lists. The columns are expressions, so the planner cannot use the index to look up a key. Without
-- statistics it would prefer the index to the primary key, and read the whole collection.
CREATE INDEX app_data_by_time ON @.app_data ((workspace_id || ''), (app_id || ''), (collection || ''), updated_at DESC, id);

-- The values that upserts by filter look up. With fastupdate, each search would read the list of pending entries.
CREATE INDEX app_data_by_value ON @.app_data USING gin (data jsonb_path_ops) WITH (fastupdate = off);

-- The change log. A row names a document; readers take its state from app_data in the same snapshot. Triggers write
-- the log, except for the gateway's transactions, which have secondgate.gateway on and write it themselves.
--
-- xid is the number of the whole transaction, never of a subtransaction. seq is drawn under the document's lock, so it
-- orders the changes of one document. Between documents it means nothing. CACHE must stay 1.
CREATE TABLE @.app_data_changes (
	seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	workspace_id text COLLATE "C" NOT NULL,
	app_id text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	op text COLLATE "C" NOT NULL,
	actor text COLLATE "C"
);

CREATE INDEX app_data_changes_by_xid ON @.app_data_changes (xid);

CREATE INDEX app_data_changes_by_scope ON @.app_data_changes (workspace_id, app_id, xid);

-- The epoch of the database. A crash empties an UNLOGGED table, and so does a promotion. After either, the server may
-- issue numbers of uncommitted transactions again, so older cursors mean nothing.
CREATE UNLOGGED TABLE @.app_data_epoch (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	token uuid NOT NULL,
	-- The server and the log that it was made for: a dump may carry the token to another server.
	system text NOT NULL,
	log oid NOT NULL
);

-- The oldest snapshot from which the log can still be read.
CREATE TABLE @.app_data_meta (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	floor pg_snapshot NOT NULL
);

-- The snapshot at a time, about one row a minute. Retention uses them.
CREATE TABLE @.app_data_marks (
	at timestamptz NOT NULL,
	snapshot pg_snapshot NOT NULL
);

-- Mutations that were carried out.
CREATE TABLE @.app_data_mutations (
	key bytea PRIMARY KEY,
	at timestamptz NOT NULL,
	digest bytea NOT NULL,
	result bytea NOT NULL
);

-- The rows are in the order of their time, which is all that this kind of index needs.
CREATE INDEX app_data_mutations_by_time ON @.app_data_mutations USING brin (at) WITH (pages_per_range = 16);

-- The sets of fields that upserts by filter name, by collection: see upsert_lock.go.
CREATE TABLE @.app_data_filters (
	workspace_id text COLLATE "C" NOT NULL,
	app_id text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	fields text COLLATE "C" NOT NULL,
	PRIMARY KEY (workspace_id, app_id, collection, fields)
);

-- The ledger: audit, approvals, tickets, agent status.
CREATE TABLE @.app_data_ledger (
	kind text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	body bytea NOT NULL,
	at timestamptz,
	expires timestamptz,
	PRIMARY KEY (kind, key)
);

CREATE INDEX app_data_ledger_by_expiry ON @.app_data_ledger (expires) WHERE expires IS NOT NULL;

-- Logs a change and wakes the gateways. A program may name its actor in secondgate.actor, as "kind:id". PostgreSQL joins
-- equal notifications of one transaction. It refuses PREPARE TRANSACTION after a NOTIFY, so a program that prepares must
-- set secondgate.notify to off.
CREATE FUNCTION @.app_data_log(workspace text, app text, name text, document text, operation text, documents oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
	INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (workspace, app, name, document, operation, nullif(current_setting('secondgate.actor', true), ''));
	IF current_setting('secondgate.notify', true) IS DISTINCT FROM 'off' THEN
		PERFORM pg_notify('secondgate_' || documents, '');
	END IF;
END
$body$;

-- Logs the changes of other programs. The gateway logs its own changes in the statement that makes them, and announces
-- many commits together: commits that NOTIFY wait for one lock. This function and the next one run with the rights of
-- their owner. So a program that may write documents needs no right on the log, and cannot write it in another way.
CREATE FUNCTION @.app_data_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
	IF TG_OP = 'INSERT' THEN
		PERFORM @.app_data_log(NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'insert', TG_RELID);
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM @.app_data_log(OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id, 'delete', TG_RELID);
	ELSIF (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id) = (OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id) THEN
		PERFORM @.app_data_log(NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'update', TG_RELID);
	ELSE
		PERFORM @.app_data_log(OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id, 'delete', TG_RELID);
		PERFORM @.app_data_log(NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'insert', TG_RELID);
	END IF;
	RETURN NULL;
END
$body$;

-- TRUNCATE fires no row trigger, and voids every copy.
CREATE FUNCTION @.app_data_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
	PERFORM @.app_data_log('', '', '', '', 'truncate', TG_RELID);
	RETURN NULL;
END
$body$;

-- Stamps an update of data that does not set updated_at.
CREATE FUNCTION @.app_data_stamped() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
	IF NEW.updated_at = OLD.updated_at AND NEW.data IS DISTINCT FROM OLD.data THEN
		NEW.updated_at := greatest(OLD.updated_at + interval '1 millisecond', pg_catalog.clock_timestamp());
	END IF;
	RETURN NEW;
END
$body$;

-- All triggers are enabled always: session_replication_role = replica skips other triggers.
CREATE TRIGGER app_data_changed AFTER INSERT OR UPDATE OR DELETE ON @.app_data
FOR EACH ROW WHEN (current_setting('secondgate.gateway', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION @.app_data_changed();

CREATE TRIGGER app_data_truncated AFTER TRUNCATE ON @.app_data
FOR EACH STATEMENT EXECUTE FUNCTION @.app_data_truncated();

CREATE TRIGGER app_data_stamped BEFORE UPDATE ON @.app_data
FOR EACH ROW EXECUTE FUNCTION @.app_data_stamped();

ALTER TABLE @.app_data ENABLE ALWAYS TRIGGER app_data_changed;

ALTER TABLE @.app_data ENABLE ALWAYS TRIGGER app_data_truncated;

ALTER TABLE @.app_data ENABLE ALWAYS TRIGGER app_data_stamped;

REVOKE ALL ON FUNCTION @.app_data_log, @.app_data_changed, @.app_data_truncated FROM PUBLIC;

INSERT INTO @.app_data_meta (version, floor) VALUES (1, pg_current_snapshot());
