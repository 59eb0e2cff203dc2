-- Before the transaction: V_pre (trap 1), and the lineage: W, "a database version id checked each time".
SELECT CHANGE_TRACKING_CURRENT_VERSION(), DB_NAME(), CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')), d.snapshot_isolation_state,
       CONVERT(varchar(23), d.create_date, 126), CONVERT(char(36), d.service_broker_guid), CONVERT(char(36), r.recovery_fork_guid), CONVERT(char(36), r.family_guid)
FROM   sys.databases AS d
LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id
WHERE  d.database_id = DB_ID()

-- The same in rowversion mode, where the recovery fork cannot be read. R: not @@DBTS.
SELECT CONVERT(bigint, MIN_ACTIVE_ROWVERSION()) - 1, DB_NAME(), CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')), d.snapshot_isolation_state,
       CONVERT(varchar(23), d.create_date, 126), CONVERT(char(36), d.service_broker_guid), NULL, NULL
FROM   sys.databases AS d
WHERE  d.database_id = DB_ID()

-- In the snapshot transaction: each table's object, definition, rights and tracking, in one text (trap 15).
SELECT t.n, o.object_id, RTRIM(o.type), CONVERT(varchar(23), o.modify_date, 126), d.total, d.stamp,
       HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'SELECT'), HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'VIEW CHANGE TRACKING'), ct.object_id, ct.begin_version
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[dbo].[Telefon]'), (2, N'[lon].[Adresse]'), (3, N'[dbo].[Bynavn]')) AS t (n, name)
LEFT JOIN sys.objects AS o ON o.object_id = OBJECT_ID(t.name)
LEFT JOIN sys.change_tracking_tables AS ct ON ct.object_id = o.object_id
OUTER APPLY (SELECT COUNT(*) AS total,
                    SUM(CONVERT(bigint, CHECKSUM(c.column_id, c.name, c.user_type_id, c.max_length, c.precision, c.scale,
                                          c.is_nullable, c.collation_name))) AS stamp
             FROM   sys.columns AS c
             WHERE  c.object_id = o.object_id) AS d
ORDER  BY t.n

-- The same in rowversion mode.
SELECT t.n, o.object_id, RTRIM(o.type), CONVERT(varchar(23), o.modify_date, 126), d.total, d.stamp,
       HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'SELECT'), 1, NULL, NULL
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[dbo].[Telefon]'), (2, N'[lon].[Adresse]'), (3, N'[dbo].[Bynavn]')) AS t (n, name)
LEFT JOIN sys.objects AS o ON o.object_id = OBJECT_ID(t.name)
OUTER APPLY (SELECT COUNT(*) AS total,
                    SUM(CONVERT(bigint, CHECKSUM(c.column_id, c.name, c.user_type_id, c.max_length, c.precision, c.scale,
                                          c.is_nullable, c.collation_name))) AS stamp
             FROM   sys.columns AS c
             WHERE  c.object_id = o.object_id) AS d
ORDER  BY t.n

-- Then, after data was touched, W and MV: each table's own minimum valid version by its object, and the current version.
SELECT t.n, CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(t.name))
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[dbo].[Telefon]'), (2, N'[lon].[Adresse]'), (3, N'[dbo].[Bynavn]')) AS t (n, name);
SELECT CHANGE_TRACKING_CURRENT_VERSION();

-- When the definition changed: columns and rights.
SELECT c.column_id, c.name, CASE WHEN c.system_type_id = 240 THEN TYPE_NAME(c.user_type_id) ELSE TYPE_NAME(c.system_type_id) END,
       c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name, c.is_identity,
       CASE WHEN c.default_object_id = 0 THEN 0 ELSE 1 END, c.is_computed,
       COALESCE(HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'SELECT', c.name, 'COLUMN'), HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'SELECT'))
FROM   sys.columns AS c
WHERE  c.object_id = @p1
ORDER  BY c.column_id

-- When the definition changed: keys.
SELECT i.index_id, i.is_primary_key, CASE WHEN i.is_unique = 1 AND i.has_filter = 0 THEN 1 ELSE 0 END,
       ic.key_ordinal, COL_NAME(ic.object_id, ic.column_id)
FROM   sys.indexes AS i
JOIN   sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
WHERE  i.object_id = @p1 AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND ic.key_ordinal > 0
ORDER  BY i.index_id, ic.key_ordinal

-- When the definition changed: whether the server accepts the plan's SQL, without running it (trap 12: no SHOWPLAN).
SELECT error_number, error_message, system_type_name
FROM   sys.dm_exec_describe_first_result_set(@p1, @p2, 0)
ORDER  BY column_ordinal

-- Every quarter of an hour: about how many rows.
SELECT COALESCE(SUM(p.rows), 0)
FROM   sys.partitions AS p
WHERE  p.object_id = @p1 AND p.index_id IN (0, 1)

-- At agent plan check: C, the history of clean-ups (trap 14).
SELECT DATEDIFF(hour, MAX(h.start_time), GETDATE()) FROM dbo.MSChange_tracking_history AS h

-- Every reading session.
SET LOCK_TIMEOUT %d; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT ON; SET XACT_ABORT OFF; SET LANGUAGE us_english;

-- The session that writes reports (trap 13: row counts stay on).
SET LOCK_TIMEOUT %d; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT OFF; SET XACT_ABORT ON; SET LANGUAGE us_english;
