-- @ is the schema. Everything is named with it: triggers run under the search_path of whoever writes.

-- One CHECK for all: each would be read and planned anew in each statement.
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

-- The order of lists. Its columns are expressions, so that the planner cannot take it for looking up a key: before it has
-- statistics it likes that as much as the primary key, and reads the whole collection.
CREATE INDEX app_data_by_time ON @.app_data ((workspace_id || ''), (app_id || ''), (collection || ''), updated_at DESC, id);

-- What upserts by filter look up. Without fastupdate: a search would have to read through what is pending.
CREATE INDEX app_data_by_value ON @.app_data USING gin (data jsonb_path_ops) WITH (fastupdate = off);

-- The change log: which document, not what it became; readers take that from app_data in the same snapshot. The triggers
-- write here, and the gateway for its own changes, in transactions that have secondgate.gateway on. xid is the transaction's own, never a subtransaction's. seq, taken under the row's lock,
-- orders the changes of one document; between documents it means nothing. CACHE must stay 1.
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

-- Which life of the database this is. A crash empties an UNLOGGED table, and so does a promotion: transaction ids that
-- nobody saw commit may then be issued again, so that cursors of before mean nothing.
CREATE UNLOGGED TABLE @.app_data_epoch (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	token uuid NOT NULL,
	-- Which server and log it was made for: a dump takes the token elsewhere.
	system text NOT NULL,
	log oid NOT NULL
);

-- The oldest snapshot from which the log can still be read.
CREATE TABLE @.app_data_meta (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	floor pg_snapshot NOT NULL
);

-- Where the log was at a time, about one row a minute: what retention goes by.
CREATE TABLE @.app_data_marks (
	at timestamptz NOT NULL,
	snapshot pg_snapshot NOT NULL
);

-- Requests that were carried out.
CREATE TABLE @.app_data_mutations (
	key bytea PRIMARY KEY,
	at timestamptz NOT NULL,
	digest bytea NOT NULL,
	result bytea NOT NULL
);

-- Rows lie in the order of their time, which is all that this kind of index needs.
CREATE INDEX app_data_mutations_by_time ON @.app_data_mutations USING brin (at) WITH (pages_per_range = 16);

-- Which sets of fields upserts by filter go by, per collection: see upsert_lock.go.
CREATE TABLE @.app_data_filters (
	workspace_id text COLLATE "C" NOT NULL,
	app_id text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	fields text COLLATE "C" NOT NULL,
	PRIMARY KEY (workspace_id, app_id, collection, fields)
);

-- Rows kept beside the data: audit, approvals, tickets, agent status.
CREATE TABLE @.app_data_ledger (
	kind text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	body bytea NOT NULL,
	at timestamptz,
	expires timestamptz,
	PRIMARY KEY (kind, key)
);

CREATE INDEX app_data_ledger_by_expiry ON @.app_data_ledger (expires) WHERE expires IS NOT NULL;

-- Logs a change and wakes the gateways. A program may say who it is, "kind:id", in secondgate.actor. Equal notifications of
-- one transaction become one. Whoever needs PREPARE TRANSACTION, which PostgreSQL refuses after a NOTIFY, sets
-- secondgate.notify to off.
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

-- For everybody but the gateway, which logs its own changes in the statement that makes them, many at once, and announces
-- many commits together: NOTIFY makes commits queue for one lock. This and the next run as their owner, so that whoever
-- may write documents needs no right to the log, and cannot write there in another way.
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

-- TRUNCATE fires no row trigger: every copy is void.
CREATE FUNCTION @.app_data_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
	PERFORM @.app_data_log('', '', '', '', 'truncate', TG_RELID);
	RETURN NULL;
END
$body$;

-- An update of data that leaves updated_at alone gets a later one.
CREATE FUNCTION @.app_data_stamped() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
	IF NEW.updated_at = OLD.updated_at AND NEW.data IS DISTINCT FROM OLD.data THEN
		NEW.updated_at := greatest(OLD.updated_at + interval '1 millisecond', pg_catalog.clock_timestamp());
	END IF;
	RETURN NEW;
END
$body$;

-- ENABLE ALWAYS, here and below: session_replication_role = replica skips other triggers.
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
