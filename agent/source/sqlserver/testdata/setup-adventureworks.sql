-- This script prepares the database for the agent of PortalSync, as the plan asks. Run it as an administrator of the server; again does no harm.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [AdventureWorks2022];
SET NOCOUNT ON;
GO

-- The Windows account that the agent's service runs as may connect to the server.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'FIRMA\portalsync$')
BEGIN
    CREATE LOGIN [FIRMA\portalsync$] FROM WINDOWS;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.login', @value = N'FIRMA\portalsync$';
END;
GO

-- The login's user in this database. It belongs to no role.
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'FIRMA\portalsync$')
BEGIN
    CREATE USER [FIRMA\portalsync$] FOR LOGIN [FIRMA\portalsync$];
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.user', @value = N'FIRMA\portalsync$';
END;
GO

-- Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF NOT EXISTS (SELECT 1 FROM sys.server_permissions AS p JOIN sys.server_principals AS g ON g.principal_id = p.grantee_principal_id
               WHERE p.type = 'VWDB' AND p.state IN ('G', 'W') AND g.name IN (N'public', N'FIRMA\portalsync$'))
BEGIN
    DECLARE @grant nvarchar(max) = N'USE [master]; GRANT VIEW ANY DATABASE TO [FIRMA\portalsync$];';
    EXEC (@grant);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.view', @value = N'FIRMA\portalsync$';
END;
GO

-- The database keeps which rows changed, for 14 days: the longest the agent may be away without loading anew. Of the rows it keeps the keys only.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID())
BEGIN
    ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.tracking', @value = N'AdventureWorks2022';
END;
GO

-- Where it kept them for less, it keeps them longer. How long it was is noted for the undo script.
DECLARE @was nvarchar(60) = (SELECT CONCAT(retention_period, N' ', retention_period_units_desc) FROM sys.change_tracking_databases
    WHERE database_id = DB_ID() AND retention_period * CASE retention_period_units WHEN 1 THEN 1 WHEN 2 THEN 60 ELSE 1440 END < 14 * 1440);
IF @was IS NOT NULL
BEGIN
    ALTER DATABASE CURRENT SET CHANGE_TRACKING (CHANGE_RETENTION = 14 DAYS);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.retention', @value = @was;
END;
GO

-- Lets a read see one state of all tables without waiting for writers, or they for it; without it changes could be missed.
IF NOT EXISTS (SELECT 1 FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state IN (1, 3))
BEGIN
    ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.snapshot', @value = N'AdventureWorks2022';
END;
GO

-- Table HumanResources.Department, for department: the account reads these columns and no other.
GRANT SELECT ON [HumanResources].[Department] ([DepartmentID], [Name]) TO [FIRMA\portalsync$];
GO

-- Its changes are tracked.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[Department]'))
BEGIN
    ALTER TABLE [HumanResources].[Department] ENABLE CHANGE_TRACKING;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.table.aac1b99ebf204303', @value = N'[HumanResources].[Department]';
END;
GO

-- The account sees which of its rows changed.
GRANT VIEW CHANGE TRACKING ON [HumanResources].[Department] TO [FIRMA\portalsync$];
GO

-- Table HumanResources.Employee, for employee: the account reads these columns and no other.
GRANT SELECT ON [HumanResources].[Employee] ([BusinessEntityID], [JobTitle], [LoginID], [CurrentFlag]) TO [FIRMA\portalsync$];
GO

-- Its changes are tracked.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[Employee]'))
BEGIN
    ALTER TABLE [HumanResources].[Employee] ENABLE CHANGE_TRACKING;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.table.1617e0c81c763e44', @value = N'[HumanResources].[Employee]';
END;
GO

-- The account sees which of its rows changed.
GRANT VIEW CHANGE TRACKING ON [HumanResources].[Employee] TO [FIRMA\portalsync$];
GO

-- Table Person.PersonPhone, for employee: the account reads these columns and no other.
GRANT SELECT ON [Person].[PersonPhone] ([BusinessEntityID], [PhoneNumberTypeID], [PhoneNumber]) TO [FIRMA\portalsync$];
GO

-- The rest of its primary key: which row changed is told by the whole key.
DECLARE @sql nvarchar(max) = N'';
SELECT @sql += N'GRANT SELECT ON [Person].[PersonPhone] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') TO [FIRMA\portalsync$]; '
FROM sys.index_columns AS x JOIN sys.indexes AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
WHERE i.is_primary_key = 1 AND x.key_ordinal > 0 AND x.object_id = OBJECT_ID(N'[Person].[PersonPhone]')
    AND COL_NAME(x.object_id, x.column_id) NOT IN (N'BusinessEntityID', N'PhoneNumberTypeID', N'PhoneNumber');
EXEC (@sql);
GO

-- Its changes are tracked.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[Person].[PersonPhone]'))
BEGIN
    ALTER TABLE [Person].[PersonPhone] ENABLE CHANGE_TRACKING;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.table.0f73938b2cbda6c5', @value = N'[Person].[PersonPhone]';
END;
GO

-- The account sees which of its rows changed.
GRANT VIEW CHANGE TRACKING ON [Person].[PersonPhone] TO [FIRMA\portalsync$];
GO

-- Table HumanResources.EmployeeDepartmentHistory, for employee: the account reads these columns and no other.
GRANT SELECT ON [HumanResources].[EmployeeDepartmentHistory] ([BusinessEntityID], [StartDate], [DepartmentID], [ShiftID]) TO [FIRMA\portalsync$];
GO

-- The rest of its primary key: which row changed is told by the whole key.
DECLARE @sql nvarchar(max) = N'';
SELECT @sql += N'GRANT SELECT ON [HumanResources].[EmployeeDepartmentHistory] (' + QUOTENAME(COL_NAME(x.object_id, x.column_id)) + N') TO [FIRMA\portalsync$]; '
FROM sys.index_columns AS x JOIN sys.indexes AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
WHERE i.is_primary_key = 1 AND x.key_ordinal > 0 AND x.object_id = OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]')
    AND COL_NAME(x.object_id, x.column_id) NOT IN (N'BusinessEntityID', N'StartDate', N'DepartmentID', N'ShiftID');
EXEC (@sql);
GO

-- Its changes are tracked.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'[HumanResources].[EmployeeDepartmentHistory]'))
BEGIN
    ALTER TABLE [HumanResources].[EmployeeDepartmentHistory] ENABLE CHANGE_TRACKING;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.table.0c9a9a9804f47deb', @value = N'[HumanResources].[EmployeeDepartmentHistory]';
END;
GO

-- The account sees which of its rows changed.
GRANT VIEW CHANGE TRACKING ON [HumanResources].[EmployeeDepartmentHistory] TO [FIRMA\portalsync$];
GO

-- The agent's own schema.
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'portalsync')
BEGIN
    EXEC (N'CREATE SCHEMA [portalsync];');
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.schema.e91d41e353c7dcd4', @value = N'portalsync';
END;
GO

-- The ids of reports that are in. The agent writes one in the transaction that writes the report, so that none is taken twice.
IF NOT EXISTS (SELECT 1 WHERE OBJECT_ID(N'[portalsync].[delivered]') IS NOT NULL)
BEGIN
    CREATE TABLE [portalsync].[delivered] (
        report_id varchar(64)   NOT NULL PRIMARY KEY,
        type      nvarchar(100) NOT NULL,
        position  bigint        NOT NULL, -- no state of the database below it holds the report
        taken_at  datetime2(3)  NOT NULL DEFAULT SYSUTCDATETIME()
    );
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.inbox.e672c3cc32f0dba2', @value = N'[portalsync].[delivered]';
END;
GO

-- The account looks for ids in it.
GRANT SELECT ON [portalsync].[delivered] TO [FIRMA\portalsync$];
GO

-- It adds them.
GRANT INSERT ON [portalsync].[delivered] TO [FIRMA\portalsync$];
GO

-- The table that reports of the type absence are written into, unless the main system has it; give its columns the types that the payroll wants.
IF NOT EXISTS (SELECT 1 WHERE OBJECT_ID(N'[portalsync].[Indberetning]') IS NOT NULL)
BEGIN
    CREATE TABLE [portalsync].[Indberetning] (
        [RapportID] varchar(64) NOT NULL PRIMARY KEY,
        [MedarbejderNr] nvarchar(4000) NULL,
        [Fra] nvarchar(4000) NULL,
        [Til] nvarchar(4000) NULL
    );
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.inbox.2233730519756c85', @value = N'[portalsync].[Indberetning]';
END;
GO

-- The account adds rows to it.
GRANT INSERT ON [portalsync].[Indberetning] TO [FIRMA\portalsync$];
GO

-- It sees which reports are there already, so that none is written twice.
GRANT SELECT ON [portalsync].[Indberetning] ([RapportID]) TO [FIRMA\portalsync$];
GO
