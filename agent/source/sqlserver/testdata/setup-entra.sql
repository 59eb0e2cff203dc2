-- This script prepares the database for the agent of PortalSync, as the plan asks. Run it as an administrator of the server; again does no harm.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [loen];
SET NOCOUNT ON;
GO

-- The user of the agent's application or managed identity in Entra ID. Run this as an administrator who came in through Entra ID.
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'portalsync-agent')
BEGIN
    CREATE USER [portalsync-agent] FROM EXTERNAL PROVIDER;
    EXEC sys.sp_addextendedproperty @name = N'PortalSync.made.user', @value = N'portalsync-agent';
END;
GO

-- Table rapport.Fravær, for shift: the account reads these columns and no other.
GRANT SELECT ON [rapport].[Fravær] ([Nr], [Dag], [Id], [Art], [Fra], [Til]) TO [portalsync-agent];
GO
