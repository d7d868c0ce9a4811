-- The first builds kept mutations by a 64-bit hash of their key. Later builds keep them by the key itself, under the same
-- schema version. SELECT * reads both tables. Rows with a hash are never found again, and wait for maintenance to remove
-- them. For that, their keys must be blobs too.
CREATE TABLE app_data_mutations_by_id (
	key BLOB PRIMARY KEY,
	at INTEGER NOT NULL,
	digest BLOB NOT NULL,
	result BLOB NOT NULL
) WITHOUT ROWID;

INSERT INTO app_data_mutations_by_id SELECT * FROM app_data_mutations;

UPDATE app_data_mutations_by_id SET key = CAST(key AS BLOB) WHERE typeof(key) = 'integer';

DROP TABLE app_data_mutations;

ALTER TABLE app_data_mutations_by_id RENAME TO app_data_mutations;
