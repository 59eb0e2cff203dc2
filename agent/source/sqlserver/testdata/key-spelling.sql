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
