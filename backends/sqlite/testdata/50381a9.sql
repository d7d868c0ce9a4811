-- A database as secondgate 50381a9 left it, and two cursors that it gave for scope (w, a): after "one" and "two" were
-- inserted, and at the end. See upgrade_test.go.
-- cursor: AYJD-pJzpviuaqT-53QCCY_KyA
-- cursor: AYJD-pJzpviuaqT-53QGF2l-Ug
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
INSERT INTO app_data VALUES('w','a','notes','four','{"text":"fourth"}',1795537781928,1795537781928,'EfhkAssaD0hZ4i5YkuRPPA');
INSERT INTO app_data VALUES('w','a','todos','one','{"n":2,"text":"first"}',1795537781854,1795537781890,'uMF32dd3sH_TtjJhoN2abw');
INSERT INTO app_data VALUES('w','a__draft','todos','three','{"draft":true}',1795537781914,1795537781914,'YSNDiZ2CKAvPfV_Uzxe2sA');
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
INSERT INTO app_data_changes VALUES(0,X'a927476e','','','','','start',NULL);
INSERT INTO app_data_changes VALUES(1,X'7a702d6f','w','a','todos','one','insert','anonymous:');
INSERT INTO app_data_changes VALUES(2,X'098fcac8','w','a','todos','two','insert','anonymous:');
INSERT INTO app_data_changes VALUES(3,X'65c7baf1','w','a','todos','one','update','anonymous:');
INSERT INTO app_data_changes VALUES(4,X'8e932614','w','a','todos','two','delete','anonymous:');
INSERT INTO app_data_changes VALUES(5,X'3890cfcf','w','a__draft','todos','three','insert','anonymous:');
INSERT INTO app_data_changes VALUES(6,X'17697e52','w','a','notes','four','insert','anonymous:');
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
INSERT INTO app_data_meta VALUES(1,X'a6f8ae6aa4fee774',0,X'a927476e');
CREATE TABLE app_data_marks (
	at INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL
);
CREATE TABLE app_data_mutations (
	key BLOB PRIMARY KEY,
	at INTEGER NOT NULL,
	digest BLOB NOT NULL,
	result BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO app_data_mutations VALUES(X'6b3172dff1feedd37c7d',1795537781854,X'16fbdb1881e8e0f4364b4874414a032c',X'0105746f646f73036f6e65');
INSERT INTO app_data_mutations VALUES(X'726573742d343247504f50494f47463635495342514a4f4e5448415532443672dff1feedd37c7d',1795537781928,X'ac47a0fc5ca54be435be2d9608ccd3b1',X'01056e6f74657304666f7572');
INSERT INTO app_data_mutations VALUES(X'726573742d44324f45484146594347424a355a374741545856434d4c4c584272dff1feedd37c7d',1795537781867,X'fbdafdd256bee6e524bbdb82b9347a5c',X'0105746f646f730374776f');
INSERT INTO app_data_mutations VALUES(X'726573742d4455454b4f464e54415132354e4232455952563348414b34475072dff1feedd37c7d',1795537781903,X'e0a410e941e5d7d0977a0c7b2ddc71d7',X'0305746f646f730374776f');
INSERT INTO app_data_mutations VALUES(X'726573742d484d5536354b494335434f3641345836334456454d594842374f72dff1feedd37c7d',1795537781890,X'ea8e89e4e9e70c3e8dcefefa1c3ee138',X'0205746f646f73036f6e65');
INSERT INTO app_data_mutations VALUES(X'726573742d4f4956565755504f52455a5846334c415a5a475232444b5a54418b68bd998d68bb41',1795537781914,X'9b83a76be97cbd763dc5fa0c0778f7e7',X'0105746f646f73057468726565');
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
