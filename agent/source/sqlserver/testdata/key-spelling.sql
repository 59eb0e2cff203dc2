-- The rows that changed, or depend on a row that changed, as they are now. W: join CHANGETABLE(CHANGES)
-- with the table on every key column; T: net changes after @p1, a bigint and no expression.
WITH changed AS (
SELECT portalsync_c.[Nr] AS portalsync_k1
FROM   CHANGETABLE(CHANGES [dbo].[Afdeling], @p1) AS portalsync_c)
SELECT d.[Nr],
       d.[Navn]
FROM   changed AS portalsync_c
JOIN   [dbo].[Afdeling] AS d ON d.[Nr] = portalsync_c.portalsync_k1
WHERE  1 = 1
AND    (d.Navn <> '')
OPTION (MAXDOP 1)

-- The keys that changed and have no row. W and T: only the key is known of a deleted row; the LEFT JOIN from
-- CHANGETABLE on every key column, kept to the rows without a match.
WITH changed AS (
SELECT portalsync_c.[Nr] AS portalsync_k1
FROM   CHANGETABLE(CHANGES [dbo].[Afdeling], @p1) AS portalsync_c)
SELECT d.[Nr]
FROM   (SELECT portalsync_c.portalsync_k1 AS [Nr]
        FROM   changed AS portalsync_c
        WHERE  NOT EXISTS (SELECT 1 FROM [dbo].[Afdeling] AS d
        WHERE  d.[Nr] = portalsync_c.portalsync_k1 AND d.[Nr] COLLATE Latin1_General_BIN2 = portalsync_c.portalsync_k1 COLLATE Latin1_General_BIN2
AND    (d.Navn <> ''))) AS d
OPTION (MAXDOP 1)

-- An upper bound of both.
SELECT (SELECT COUNT_BIG(*) FROM CHANGETABLE(CHANGES [dbo].[Afdeling], @p1) AS portalsync_c)
OPTION (MAXDOP 1)

-- The first chunk: key order, one processor, its own short snapshot (trap 5).
SELECT TOP (@p1) d.[Nr],
       d.[Navn]
FROM   [dbo].[Afdeling] AS d
WHERE  1 = 1
AND    (d.Navn <> '')
ORDER  BY d.[Nr]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) d.[Nr],
       d.[Navn]
FROM   [dbo].[Afdeling] AS d
WHERE  d.[Nr] > CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20))
AND    (d.Navn <> '')
ORDER  BY d.[Nr]
OPTION (MAXDOP 1)

-- The rows that may have a record key.
SELECT d.[Nr],
       d.[Navn]
FROM   [dbo].[Afdeling] AS d
WHERE  1 = 1
AND    d.[Nr] = TRY_CAST(@p1 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20))
AND    (d.Navn <> '')
OPTION (MAXDOP 1)

-- The rows that may have one of so many record keys: each key typed and collated as its column, so that each is one seek
-- (trap 3); the same text for 2 keys and for 50 (trap 15). TRY_CAST: a key that is no value of the type has no row.
SELECT d.[Nr],
       d.[Navn]
FROM   (SELECT DISTINCT TRY_CAST(portalsync_o.portalsync_k1 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20)) AS portalsync_k1
        FROM   (VALUES (@p1), (@p2), (@p3), (@p4), (@p5), (@p6), (@p7), (@p8), (@p9), (@p10), (@p11), (@p12), (@p13), (@p14), (@p15), (@p16), (@p17), (@p18), (@p19), (@p20), (@p21), (@p22), (@p23), (@p24), (@p25), (@p26), (@p27), (@p28), (@p29), (@p30), (@p31), (@p32), (@p33), (@p34), (@p35), (@p36), (@p37), (@p38), (@p39), (@p40), (@p41), (@p42), (@p43), (@p44), (@p45), (@p46), (@p47), (@p48), (@p49), (@p50)) AS portalsync_o (portalsync_k1)) AS portalsync_c
CROSS JOIN [dbo].[Afdeling] AS d
WHERE  1 = 1
AND    d.[Nr] = portalsync_c.portalsync_k1
AND    (d.Navn <> '')
OPTION (MAXDOP 1)
