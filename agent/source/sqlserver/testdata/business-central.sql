-- The rows that changed, or depend on a row that changed, as they are now. R: rows up to MIN_ACTIVE_ROWVERSION,
-- @p2, below which no transaction is active; compared as binary(8), the column's own type.
WITH changed AS (
SELECT e.[No_] AS portalsync_k1
FROM   [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e
WHERE  e.[timestamp] > CONVERT(binary(8), @p1) AND e.[timestamp] <= CONVERT(binary(8), @p2))
SELECT e.[No_],
       e.[Search ]] 'Name'],
       e.[Status]
FROM   changed AS portalsync_c
JOIN   [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e ON e.[No_] = portalsync_c.portalsync_k1
WHERE  1 = 1
OPTION (MAXDOP 1)

-- An upper bound of both.
SELECT (SELECT COUNT_BIG(*) FROM [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e WHERE e.[timestamp] > CONVERT(binary(8), @p1) AND e.[timestamp] <= CONVERT(binary(8), @p2))
OPTION (MAXDOP 1)

-- The first chunk: key order, one processor, its own short snapshot (trap 5).
SELECT TOP (@p1) e.[No_],
       e.[Search ]] 'Name'],
       e.[Status]
FROM   [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e
WHERE  1 = 1
ORDER  BY e.[No_]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) e.[No_],
       e.[Search ]] 'Name'],
       e.[Status]
FROM   [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e
WHERE  e.[No_] > CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20))
ORDER  BY e.[No_]
OPTION (MAXDOP 1)

-- The rows that may have a record key.
SELECT e.[No_],
       e.[Search ]] 'Name'],
       e.[Status]
FROM   [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e
WHERE  1 = 1
AND    e.[No_] = TRY_CAST(@p1 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20))
OPTION (MAXDOP 1)

-- The rows that may have one of so many record keys: each key typed and collated as its column, so that each is one seek
-- (trap 3); the same text for 2 keys and for 50 (trap 15). TRY_CAST: a key that is no value of the type has no row.
SELECT e.[No_],
       e.[Search ]] 'Name'],
       e.[Status]
FROM   (SELECT DISTINCT TRY_CAST(portalsync_o.portalsync_k1 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20)) AS portalsync_k1
        FROM   (VALUES (@p1), (@p2), (@p3), (@p4), (@p5), (@p6), (@p7), (@p8), (@p9), (@p10), (@p11), (@p12), (@p13), (@p14), (@p15), (@p16), (@p17), (@p18), (@p19), (@p20), (@p21), (@p22), (@p23), (@p24), (@p25), (@p26), (@p27), (@p28), (@p29), (@p30), (@p31), (@p32), (@p33), (@p34), (@p35), (@p36), (@p37), (@p38), (@p39), (@p40), (@p41), (@p42), (@p43), (@p44), (@p45), (@p46), (@p47), (@p48), (@p49), (@p50)) AS portalsync_o (portalsync_k1)) AS portalsync_c
CROSS JOIN [dbo].[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] AS e
WHERE  1 = 1
AND    e.[No_] = portalsync_c.portalsync_k1
OPTION (MAXDOP 1)
