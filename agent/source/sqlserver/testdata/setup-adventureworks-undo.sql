-- This script takes back what the script of agent plan setup-sql made in this database, and every right of the account that it grants. Stop the agent before.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [AdventureWorks2022];
SET NOCOUNT ON;
GO

-- Takes back: It sees which reports are there already, so that none is written twice.
IF OBJECT_ID(N'[portalsync].[Indberetning]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [portalsync].[Indberetning] ([RapportID]) FROM [FIRMA\portalsync$];
GO

-- Takes back: The account adds rows to it.
IF OBJECT_ID(N'[portalsync].[Indberetning]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE INSERT ON [portalsync].[Indberetning] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: The table that reports of the type absence are written into, unless the main system has it; give its columns the types that the payroll wants.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.inbox.2233730519756c85')
BEGIN
    IF NOT EXISTS (SELECT 1 FROM [portalsync].[Indberetning]) -- reports that are in it stay
        DROP TABLE [portalsync].[Indberetning];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.inbox.2233730519756c85';
END;
GO

-- Takes back: It adds them.
IF OBJECT_ID(N'[portalsync].[delivered]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE INSERT ON [portalsync].[delivered] FROM [FIRMA\portalsync$];
GO

-- Takes back: The account looks for ids in it.
IF OBJECT_ID(N'[portalsync].[delivered]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [portalsync].[delivered] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: The ids of reports that are in. The agent writes one in the transaction that writes the report, so that none is taken twice.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.inbox.e672c3cc32f0dba2')
BEGIN
    IF NOT EXISTS (SELECT 1 FROM [portalsync].[delivered]) -- what is known of reports stays
        DROP TABLE [portalsync].[delivered];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.inbox.e672c3cc32f0dba2';
END;
GO

-- Takes back, where the script did it: The agent's own schema.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.schema.e91d41e353c7dcd4')
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.objects WHERE schema_id = SCHEMA_ID(N'portalsync'))
        DROP SCHEMA [portalsync];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.schema.e91d41e353c7dcd4';
END;
GO

-- Takes back: The account sees which of its rows changed.
IF OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE VIEW CHANGE TRACKING ON [HumanResources].[EmployeeDepartmentHistory] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: Its changes are tracked.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.table.0c9a9a9804f47deb')
BEGIN
    IF EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]'))
        ALTER TABLE [HumanResources].[EmployeeDepartmentHistory] DISABLE CHANGE_TRACKING;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.table.0c9a9a9804f47deb';
END;
GO

-- Takes back: The rest of its primary key: which row changed is told by the whole key.
IF USER_ID(N'FIRMA\portalsync$') IS NOT NULL
BEGIN
    DECLARE @sql nvarchar(max) = N'';
    SELECT @sql += N'REVOKE SELECT ON [HumanResources].[EmployeeDepartmentHistory] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') FROM [FIRMA\portalsync$]; '
    FROM sys.index_columns AS x JOIN sys.indexes AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
    WHERE i.is_primary_key = 1 AND x.key_ordinal > 0 AND x.object_id = OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]')
        AND COL_NAME(x.object_id, x.column_id) NOT IN (N'BusinessEntityID', N'StartDate', N'DepartmentID', N'ShiftID');
    EXEC (@sql);
END;
GO

-- Takes back: Table HumanResources.EmployeeDepartmentHistory, for employee: the account reads these columns and no other.
IF OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [HumanResources].[EmployeeDepartmentHistory] ([BusinessEntityID], [StartDate], [DepartmentID], [ShiftID]) FROM [FIRMA\portalsync$];
GO

-- Takes back: The account sees which of its rows changed.
IF OBJECT_ID(N'[Person].[PersonPhone]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE VIEW CHANGE TRACKING ON [Person].[PersonPhone] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: Its changes are tracked.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.table.0f73938b2cbda6c5')
BEGIN
    IF EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[Person].[PersonPhone]'))
        ALTER TABLE [Person].[PersonPhone] DISABLE CHANGE_TRACKING;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.table.0f73938b2cbda6c5';
END;
GO

-- Takes back: The rest of its primary key: which row changed is told by the whole key.
IF USER_ID(N'FIRMA\portalsync$') IS NOT NULL
BEGIN
    DECLARE @sql nvarchar(max) = N'';
    SELECT @sql += N'REVOKE SELECT ON [Person].[PersonPhone] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') FROM [FIRMA\portalsync$]; '
    FROM sys.index_columns AS x JOIN sys.indexes AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
    WHERE i.is_primary_key = 1 AND x.key_ordinal > 0 AND x.object_id = OBJECT_ID(N'[Person].[PersonPhone]')
        AND COL_NAME(x.object_id, x.column_id) NOT IN (N'BusinessEntityID', N'PhoneNumberTypeID', N'PhoneNumber');
    EXEC (@sql);
END;
GO

-- Takes back: Table Person.PersonPhone, for employee: the account reads these columns and no other.
IF OBJECT_ID(N'[Person].[PersonPhone]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [Person].[PersonPhone] ([BusinessEntityID], [PhoneNumberTypeID], [PhoneNumber]) FROM [FIRMA\portalsync$];
GO

-- Takes back: The account sees which of its rows changed.
IF OBJECT_ID(N'[HumanResources].[Employee]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE VIEW CHANGE TRACKING ON [HumanResources].[Employee] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: Its changes are tracked.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.table.1617e0c81c763e44')
BEGIN
    IF EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[Employee]'))
        ALTER TABLE [HumanResources].[Employee] DISABLE CHANGE_TRACKING;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.table.1617e0c81c763e44';
END;
GO

-- Takes back: Table HumanResources.Employee, for employee: the account reads these columns and no other.
IF OBJECT_ID(N'[HumanResources].[Employee]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [HumanResources].[Employee] ([BusinessEntityID], [JobTitle], [LoginID], [CurrentFlag]) FROM [FIRMA\portalsync$];
GO

-- Takes back: The account sees which of its rows changed.
IF OBJECT_ID(N'[HumanResources].[Department]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE VIEW CHANGE TRACKING ON [HumanResources].[Department] FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: Its changes are tracked.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.table.aac1b99ebf204303')
BEGIN
    IF EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[Department]'))
        ALTER TABLE [HumanResources].[Department] DISABLE CHANGE_TRACKING;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.table.aac1b99ebf204303';
END;
GO

-- Takes back: Table HumanResources.Department, for department: the account reads these columns and no other.
IF OBJECT_ID(N'[HumanResources].[Department]') IS NOT NULL AND USER_ID(N'FIRMA\portalsync$') IS NOT NULL
    REVOKE SELECT ON [HumanResources].[Department] ([DepartmentID], [Name]) FROM [FIRMA\portalsync$];
GO

-- Takes back, where the script did it: Lets a read see one state of all tables without waiting for writers, or they for it; without it changes could be missed.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.snapshot')
BEGIN
    ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.snapshot';
END;
GO

-- Takes back, where the script did it: Where it kept them for less, it keeps them longer. How long it was is noted for the undo script.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.retention')
BEGIN
    DECLARE @back nvarchar(max) = (SELECT N'ALTER DATABASE CURRENT SET CHANGE_TRACKING (CHANGE_RETENTION = ' + CONVERT(nvarchar(60), value) + N');'
        FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.retention');
    EXEC (@back);
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.retention';
END;
GO

-- Takes back, where the script did it: The database keeps which rows changed, for 14 days: the longest the agent may be away without loading anew. Of the rows it keeps the keys only.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.tracking')
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables) -- somebody else's tables may be tracked by now
        ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF;
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.tracking';
END;
GO

-- Takes back, where the script did it: Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.view')
BEGIN
    DECLARE @revoke nvarchar(max) = N'USE [master]; REVOKE VIEW ANY DATABASE FROM [FIRMA\portalsync$];';
    EXEC (@revoke);
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.view';
END;
GO

-- Takes back, where the script did it: The login's user in this database. It belongs to no role.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.user')
BEGIN
    DROP USER [FIRMA\portalsync$];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.user';
END;
GO

-- Takes back, where the script did it: The Windows account that the agent's service runs as may connect to the server.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.login')
BEGIN
    DROP LOGIN [FIRMA\portalsync$];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.login';
END;
GO
