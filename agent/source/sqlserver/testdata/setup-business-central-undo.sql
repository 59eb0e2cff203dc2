-- This script takes back what the script of agent plan setup-sql made in this database, and every right of the account that it grants. Stop the agent before.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [Løn ]] 'prod' $1];
SET NOCOUNT ON;
GO

-- Takes back: Its rowversion column, by which changes are found.
IF USER_ID(N'O''Holm ]') IS NOT NULL
BEGIN
    DECLARE @sql nvarchar(max) = N'';
    SELECT @sql += N'REVOKE SELECT ON [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') FROM [O''Holm ]]]; '
    FROM sys.columns AS x WHERE x.system_type_id = 189 AND x.object_id = OBJECT_ID(N'[dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972]')
        AND COL_NAME(x.object_id, x.column_id) NOT IN (N'No_', N'Search ] ''Name''', N'Status');
    EXEC (@sql);
END;
GO

-- Takes back: Table CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972, for employee: the account reads these columns and no other.
IF OBJECT_ID(N'[dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972]') IS NOT NULL AND USER_ID(N'O''Holm ]') IS NOT NULL
    REVOKE SELECT ON [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] ([No_], [Search ]] 'Name'], [Status]) FROM [O'Holm ]]];
GO

-- Takes back, where the script did it: Lets a read see one state of all tables without waiting for writers, or they for it.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.snapshot')
BEGIN
    ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.snapshot';
END;
GO

-- Takes back, where the script did it: Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.view')
BEGIN
    DECLARE @revoke nvarchar(max) = N'USE [master]; REVOKE VIEW ANY DATABASE FROM [O''Holm ]]];';
    EXEC (@revoke);
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.view';
END;
GO

-- Takes back, where the script did it: The login's user in this database. It belongs to no role.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.user')
BEGIN
    DROP USER [O'Holm ]]];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.user';
END;
GO

-- Takes back, where the script did it: A SQL login for the agent. Write its password between the quotes of @password; the same goes into the agent's password file.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.login')
BEGIN
    DROP LOGIN [O'Holm ]]];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.login';
END;
GO
