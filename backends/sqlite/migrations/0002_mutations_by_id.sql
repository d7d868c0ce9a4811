-- The first builds kept mutations by a 64-bit hash of their key, under the same schema version as those that keep them
-- by the key itself. SELECT * takes either. Nobody finds a hash any more: such rows only wait to be swept, for which
-- they must be blobs like the others.
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
