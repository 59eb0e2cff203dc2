-- This script takes back what the script of agent plan setup-sql made in this database, and every right of the account that it grants. Stop the agent before.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [loen];
SET NOCOUNT ON;
GO

-- Takes back: Table rapport.Fravær, for shift: the account reads these columns and no other.
IF OBJECT_ID(N'[rapport].[Fravær]') IS NOT NULL AND USER_ID(N'portalsync') IS NOT NULL
    REVOKE SELECT ON [rapport].[Fravær] ([Nr], [Dag], [Id], [Art], [Fra], [Til]) FROM [portalsync];
GO

-- Takes back, where the script did it: Shows the agent the database's recovery fork, by which it notices every restore. Everybody has this right unless it was taken from public; it shows names of databases, no content.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.view')
BEGIN
    DECLARE @revoke nvarchar(max) = N'USE [master]; REVOKE VIEW ANY DATABASE FROM [portalsync];';
    EXEC (@revoke);
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.view';
END;
GO

-- Takes back, where the script did it: The login's user in this database. It belongs to no role.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.user')
BEGIN
    DROP USER [portalsync];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.user';
END;
GO

-- Takes back, where the script did it: A SQL login for the agent. Write its password between the quotes of @password; the same goes into the agent's password file.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.login')
BEGIN
    DROP LOGIN [portalsync];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.login';
END;
GO
