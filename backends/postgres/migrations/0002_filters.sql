-- When a set of fields was registered. Old rows are removed, and made again when they are needed.
ALTER TABLE @.app_data_filters ADD COLUMN at timestamptz NOT NULL DEFAULT now();
