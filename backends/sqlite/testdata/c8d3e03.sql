-- A database as secondgate c8d3e03 left it, and two cursors that it gave for scope (w, a): after "one" and "two" were
-- inserted, and at the end. See upgrade_test.go.
-- cursor: AYJD-pJz70GipKo5WWkCa8ELrA
-- cursor: AYJD-pJz70GipKo5WWkGTT75Kg
PRAGMA application_id = 846095463;
PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO app_data VALUES('w','a','notes','four','{"text":"fourth"}',1795537715252,1795537715252,'uaS89zOYmdtC3JGsG2RFFw');
INSERT INTO app_data VALUES('w','a','todos','one','{"n":2,"text":"first"}',1795537715194,1795537715226,'iqkOwtpv2ck_GAaPtWeTaw');
INSERT INTO app_data VALUES('w','a__draft','todos','three','{"draft":true}',1795537715244,1795537715244,'M4xLX4WeVivybrszR7Zsdw');
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
INSERT INTO app_data_changes VALUES(0,X'809a18cb','','','','','start',NULL);
INSERT INTO app_data_changes VALUES(1,X'be1b1145','w','a','todos','one','insert','anonymous:');
INSERT INTO app_data_changes VALUES(2,X'6bc10bac','w','a','todos','two','insert','anonymous:');
INSERT INTO app_data_changes VALUES(3,X'16dc83ab','w','a','todos','one','update','anonymous:');
INSERT INTO app_data_changes VALUES(4,X'e83d50f2','w','a','todos','two','delete','anonymous:');
INSERT INTO app_data_changes VALUES(5,X'4fa70751','w','a__draft','todos','three','insert','anonymous:');
INSERT INTO app_data_changes VALUES(6,X'4d3ef92a','w','a','notes','four','insert','anonymous:');
CREATE TABLE app_data_writer (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	actor TEXT NOT NULL
);
INSERT INTO app_data_writer VALUES(1,'');
CREATE TABLE app_data_meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	database BLOB NOT NULL DEFAULT (randomblob(8)),
	floor_seq INTEGER NOT NULL,
	floor_tag BLOB NOT NULL
);
INSERT INTO app_data_meta VALUES(1,X'ef41a2a4aa395969',0,X'809a18cb');
CREATE TABLE app_data_marks (
	at INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL
);
CREATE TABLE app_data_mutations (
	hash INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	digest BLOB NOT NULL,
	result BLOB NOT NULL
);
INSERT INTO app_data_mutations VALUES(-9047438635199203355,1795537715236,X'f718036605433cd1ddfbea1f82121a305e00d3543caa7fdff67fcf6e75cf40fc',X'0305746f646f730374776f');
INSERT INTO app_data_mutations VALUES(-4559127868074621742,1795537715204,X'00b606932c1d48dabd7ffc8b8dbe1e2b1ca0da47408d9d05d36faaf4b5f6343a',X'0105746f646f730374776f');
INSERT INTO app_data_mutations VALUES(-1320116535081076123,1795537715226,X'65ad8487c4b7600562674f854eac5f85d982cc8a337df872e345d6e69e79e970',X'0205746f646f73036f6e65');
INSERT INTO app_data_mutations VALUES(-708420897359682733,1795537715244,X'6e7baa9d0d09f5f69b8c08c5f3a37d95564cefc9594b2a1fc5a77287876a357a',X'0105746f646f73057468726565');
INSERT INTO app_data_mutations VALUES(6687386077859515516,1795537715194,X'fa429e159e737cf29154235f02ee936a9d284c1355061bd311d75eddce1fadf5',X'0105746f646f73036f6e65');
INSERT INTO app_data_mutations VALUES(7975999145506965925,1795537715252,X'00487bc83a5c12a0e471180bcc6d1e9131fdda27066c2c4d56533b6bba78cdd5',X'01056e6f74657304666f7572');
CREATE TABLE app_data_ledger (
	kind TEXT NOT NULL,
	key TEXT NOT NULL,
	body BLOB NOT NULL,
	at INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('app_data_changes',6);
CREATE INDEX app_data_by_time ON app_data (workspace_id, app_id, collection, updated_at, id DESC);
CREATE INDEX app_data_changes_by_scope ON app_data_changes (workspace_id, app_id, seq);
CREATE INDEX app_data_ledger_by_expiry ON app_data_ledger (expires) WHERE expires > 0;
CREATE TRIGGER app_data_inserted AFTER INSERT ON app_data BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'insert', (SELECT actor FROM app_data_writer));
END;
CREATE TRIGGER app_data_deleted AFTER DELETE ON app_data BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id, 'delete', (SELECT actor FROM app_data_writer));
END;
CREATE TRIGGER app_data_updated AFTER UPDATE ON app_data
WHEN NEW.id = OLD.id AND NEW.collection = OLD.collection AND NEW.app_id = OLD.app_id AND NEW.workspace_id = OLD.workspace_id
	AND (NEW.updated_at <> OLD.updated_at OR (NEW.created_at <> OLD.created_at AND NEW.data = OLD.data))
BEGIN
	INSERT INTO app_data_changes (workspace_id, app_id, collection, id, op, actor)
	VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, 'update', (SELECT actor FROM app_data_writer));
END;
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
COMMIT;
