-- This script prepares the database for the agent of PortalSync, as the plan asks. Run it as an administrator of the server; again does no harm.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [Løn ]] 'prod' $1];
SET NOCOUNT ON;
GO

-- A SQL login for the agent. Write its password between the quotes of @password; the same goes into the agent's password file.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'O''Holm ]')
BEGIN
    DECLARE @password nvarchar(128) = N'';
    IF @password = N''
    BEGIN;
        THROW 50000, N'Write a password into @password of this step, then run the script again.', 1;
    END;
    DECLARE @create nvarchar(max) = N'CREATE LOGIN [O''Holm ]]] WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''') + N''', CHECK_EXPIRATION = OFF;';
    EXEC (@create);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.login', @value = N'O''Holm ]';
END;
GO

-- The login's user in this database. It belongs to no role.
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'O''Holm ]')
BEGIN
    CREATE USER [O'Holm ]]] FOR LOGIN [O'Holm ]]];
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.user', @value = N'O''Holm ]';
END;
GO

-- Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF NOT EXISTS (SELECT 1 FROM sys.server_permissions AS p JOIN sys.server_principals AS g ON g.principal_id = p.grantee_principal_id
               WHERE p.type = 'VWDB' AND p.state IN ('G', 'W') AND g.name IN (N'public', N'O''Holm ]'))
BEGIN
    DECLARE @grant nvarchar(max) = N'USE [master]; GRANT VIEW ANY DATABASE TO [O''Holm ]]];';
    EXEC (@grant);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.view', @value = N'O''Holm ]';
END;
GO

-- Lets a read see one state of all tables without waiting for writers, or they for it.
IF NOT EXISTS (SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state IN (1, 3))
BEGIN
    ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.snapshot', @value = N'Løn ] ''prod'' $1';
END;
GO

-- Table CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972, for employee: the account reads these columns and no other.
GRANT SELECT ON [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] ([No_], [Search ]] 'Name'], [Status]) TO [O'Holm ]]];
GO

-- Its rowversion column, by which changes are found.
DECLARE @sql nvarchar(max) = N'';
SELECT @sql += N'GRANT SELECT ON [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') TO [O''Holm ]]]; '
FROM sys.columns AS x WHERE x.system_type_id = 189 AND x.object_id = OBJECT_ID(N'[dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972]')
    AND COL_NAME(x.object_id, x.column_id) NOT IN (N'No_', N'Search ] ''Name''', N'Status');
EXEC (@sql);
GO
