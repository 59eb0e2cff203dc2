-- This script takes back what the script of agent plan setup-sql made in this database, and every right of the account that it grants. Stop the agent before.
-- It is for sqlcmd and Management Studio. Read it, and change what your own rules want otherwise.
-- The agent needs no role, nor VIEW SERVER STATE or VIEW DATABASE STATE.
USE [loen];
SET NOCOUNT ON;
GO

-- Takes back: Table rapport.Fravær, for shift: the account reads these columns and no other.
IF OBJECT_ID(N'[rapport].[Fravær]') IS NOT NULL AND USER_ID(N'portalsync-agent') IS NOT NULL
    REVOKE SELECT ON [rapport].[Fravær] ([Nr], [Dag], [Id], [Art], [Fra], [Til]) FROM [portalsync-agent];
GO

-- Takes back, where the script did it: The user of the agent's application or managed identity in Entra ID. Run this as an administrator who came in through Entra ID.
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'PortalSync.made.user')
BEGIN
    DROP USER [portalsync-agent];
    EXEC sys.sp_dropextendedproperty @name = N'PortalSync.made.user';
END;
GO
