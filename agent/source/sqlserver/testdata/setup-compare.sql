-- This script prepares the database for the agent of PortalSync, as the plan asks. Run it as an administrator of the server; again does no harm.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [loen];
SET NOCOUNT ON;
GO

-- A SQL login for the agent. Write its password between the quotes of @password; the same goes into the agent's password file.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'portalsync')
BEGIN
    DECLARE @password nvarchar(128) = N'';
    IF @password = N''
    BEGIN;
        THROW 50000, N'Write a password into @password of this step, then run the script again.', 1;
    END;
    DECLARE @create nvarchar(max) = N'CREATE LOGIN [portalsync] WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''') + N''', CHECK_EXPIRATION = OFF;';
    EXEC (@create);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.login', @value = N'portalsync';
END;
GO

-- The login's user in this database. It belongs to no role.
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'portalsync')
BEGIN
    CREATE USER [portalsync] FOR LOGIN [portalsync];
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.user', @value = N'portalsync';
END;
GO

-- Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF NOT EXISTS (SELECT 1 FROM sys.server_permissions AS p JOIN sys.server_principals AS g ON g.principal_id = p.grantee_principal_id
               WHERE p.type = 'VWDB' AND p.state IN ('G', 'W') AND g.name IN (N'public', N'portalsync'))
BEGIN
    DECLARE @grant nvarchar(max) = N'USE [master]; GRANT VIEW ANY DATABASE TO [portalsync];';
    EXEC (@grant);
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.view', @value = N'portalsync';
END;
GO

-- Table rapport.Fravær, for shift: the account reads these columns and no other.
GRANT SELECT ON [rapport].[Fravær] ([Nr], [Dag], [Id], [Art], [Fra], [Til]) TO [portalsync];
GO
