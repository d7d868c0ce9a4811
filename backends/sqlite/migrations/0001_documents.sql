-- All of this runs in the library of the program that writes, which may be sqlite3 3.40 or older. So the SQL is plain:
-- no jsonb, no subsec, no RETURNING.

-- Documents. A WITHOUT ROWID table has exactly one unique constraint, so REPLACE can never silently remove a row of
-- another key. rev is the fingerprint that the gateway stored. Another program wrote data that does not match it; such
-- data is checked on reading.
CREATE TABLE app_data (
	workspace_id TEXT NOT NULL CHECK (typeof(workspace_id) = 'text' AND workspace_id <> ''),
	app_id TEXT NOT NULL CHECK (typeof(app_id) = 'text' AND app_id <> ''),
	collection TEXT NOT NULL CHECK (typeof(collection) = 'text' AND collection <> ''),
	id TEXT NOT NULL DEFAULT (lower(hex(randomblob(12)))) CHECK (typeof(id) = 'text' AND id <> ''),
	data TEXT NOT NULL CHECK (typeof(data) = 'text' AND json_type(data) = 'object'),
	created_at INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
		CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND 253402300799999),
	updated_at INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
		CHECK (typeof(updated_at) = 'integer' AND updated_at BETWEEN 0 AND 253402300799999),
	rev TEXT,
	PRIMARY KEY (workspace_id, app_id, collection, id)
) WITHOUT ROWID;

-- The reverse order of lists: new entries come at the end, where a b-tree grows at the least cost.
CREATE INDEX app_data_by_time ON app_data (workspace_id, app_id, collection, updated_at, id DESC);

-- The change log. A row names a document; readers take its state from app_data in the same snapshot. Only triggers write
-- the log. After a backup is restored, the same seq is issued again, with another tag.
CREATE TABLE app_data_changes (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	tag BLOB NOT NULL DEFAULT (randomblob(4)),
	workspace_id TEXT NOT NULL,
	app_id TEXT NOT NULL,
	collection TEXT NOT NULL,
	id TEXT NOT NULL,
	op TEXT NOT NULL,
	actor TEXT
);

CREATE INDEX app_data_changes_by_scope ON app_data_changes (workspace_id, app_id, seq);

-- The first row concerns no document. So the log is never empty, and always has a newest row.
INSERT INTO app_data_changes (seq, workspace_id, app_id, collection, id, op) VALUES (0, '', '', '', '', 'start');

-- The actor of the gateway's open transaction, as "kind:id". It is empty outside of such transactions, and so for other
-- programs.
CREATE TABLE app_data_writer (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	actor TEXT NOT NULL
);

INSERT INTO app_data_writer VALUES (1, '');

-- The database's name, which tells it from others, and the oldest position from which the log can be read.
CREATE TABLE app_data_meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	database BLOB NOT NULL DEFAULT (randomblob(8)),
	floor_seq INTEGER NOT NULL,
	floor_tag BLOB NOT NULL
);

INSERT INTO app_data_meta (one, floor_seq, floor_tag) SELECT 1, seq, tag FROM app_data_changes;

-- The position of the log at a time, about one row a minute. Retention uses them.
CREATE TABLE app_data_marks (
	at INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL
);

-- Mutations that were carried out. The key begins with the mutationId itself. So ids that grow with time, such as UUIDv7
-- or a counter, lie side by side, and a commit changes one page for all of them. A hash would scatter them over the
-- whole table.
CREATE TABLE app_data_mutations (
	key BLOB PRIMARY KEY,
	at INTEGER NOT NULL,
	digest BLOB NOT NULL,
	result BLOB NOT NULL
) WITHOUT ROWID;

-- The ledger: audit, approvals, tickets, agent status. An entry whose expires is 0 never expires.
CREATE TABLE app_data_ledger (
	kind TEXT NOT NULL,
	key TEXT NOT NULL,
	body BLOB NOT NULL,
	at INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE INDEX app_data_ledger_by_expiry ON app_data_ledger (expires) WHERE expires > 0;

-- REPLACE of an existing key fires only this trigger, because recursive_triggers is off by default. An insert means "is
-- now".
CREATE TRIGGER app_data_inserted AFTER INSERT ON app_data BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'insert', (SELECT actor FROM app_data_writer));
END;

CREATE TRIGGER app_data_deleted AFTER DELETE ON app_data BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id, 'delete', (SELECT actor FROM app_data_writer));
END;

-- An update of data that does not set updated_at is stamped first (below). Then this trigger logs the stamping.
CREATE TRIGGER app_data_updated AFTER UPDATE ON app_data
WHEN NEW.id = OLD.id AND NEW.collection = OLD.collection AND NEW.app_id = OLD.app_id AND NEW.workspace_id = OLD.workspace_id
	AND (NEW.updated_at <> OLD.updated_at OR (NEW.created_at <> OLD.created_at AND NEW.data = OLD.data))
BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'update', (SELECT actor FROM app_data_writer));
END;

-- Its UPDATE must fire the trigger above. With recursive_triggers off, a trigger cannot fire itself, so there are two.
CREATE TRIGGER app_data_stamped AFTER UPDATE OF data ON app_data
WHEN NEW.id = OLD.id AND NEW.collection = OLD.collection AND NEW.app_id = OLD.app_id AND NEW.workspace_id = OLD.workspace_id
	AND NEW.updated_at = OLD.updated_at AND NEW.data <> OLD.data
BEGIN
	UPDATE app_data
	SET updated_at = max(OLD.updated_at + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
	WHERE workspace_id = NEW.workspace_id AND app_id = NEW.app_id AND collection = NEW.collection AND id = NEW.id;
END;

CREATE TRIGGER app_data_moved AFTER UPDATE OF workspace_id, app_id, collection, id ON app_data
WHEN NEW.id <> OLD.id OR NEW.collection <> OLD.collection OR NEW.app_id <> OLD.app_id OR NEW.workspace_id <> OLD.workspace_id
BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id, 'delete', (SELECT actor FROM app_data_writer));
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'insert', (SELECT actor FROM app_data_writer));
END;
