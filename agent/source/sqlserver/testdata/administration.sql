-- Which server it is, and who the account is there. IS_MEMBER and IS_SRVROLEMEMBER are null for a role that is not there.
SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')), CONVERT(nvarchar(128), SERVERPROPERTY('Edition')),
       CONVERT(int, SERVERPROPERTY('EngineEdition')), SUSER_SNAME(), USER_NAME(), IS_SRVROLEMEMBER('sysadmin'),
       IS_MEMBER('db_owner'), IS_MEMBER('db_datawriter'), IS_MEMBER('db_ddladmin'), HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'CONTROL')

-- C: how long changes are kept; 14 days outlast any absence of the agent.
SELECT c.retention_period, c.retention_period_units, c.is_auto_cleanup_on
FROM   sys.change_tracking_databases AS c
WHERE  c.database_id = DB_ID()

-- What the account may do beside reading.
SELECT t.n, HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'INSERT'), HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'UPDATE'),
       HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'DELETE'), HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'ALTER')
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[løn].[O''Holm ]]]')) AS t (n, name)

-- M: the primary key constraint of a tracked table cannot be dropped.
SELECT t.n, k.name
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[løn].[O''Holm ]]]')) AS t (n, name)
JOIN   sys.change_tracking_tables AS ct ON ct.object_id = OBJECT_ID(t.name)
JOIN   sys.key_constraints AS k ON k.parent_object_id = ct.object_id AND k.type = 'PK'
ORDER  BY t.n

-- Whether an upgrade is open: a property of the database itself.
SELECT CONVERT(nvarchar(60), e.value)
FROM   sys.extended_properties AS e
WHERE  e.class = 0 AND e.name = N'PortalSync.upgrade'

-- Whether the account may set it.
SELECT COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'ALTER'), 0)

-- Which planned tables are there, tracked and keyed, and may be altered.
SELECT t.n, OBJECT_ID(t.name), ct.object_id, k.object_id, HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'ALTER')
FROM   (VALUES (0, N'[dbo].[Medarbejder]'), (1, N'[løn].[O''Holm ]]]')) AS t (n, name)
LEFT JOIN sys.change_tracking_tables AS ct ON ct.object_id = OBJECT_ID(t.name)
LEFT JOIN sys.key_constraints AS k ON k.parent_object_id = OBJECT_ID(t.name) AND k.type = 'PK'
ORDER  BY t.n
