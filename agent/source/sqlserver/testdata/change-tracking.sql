-- The rows that changed, or depend on a row that changed, as they are now. W: join CHANGETABLE(CHANGES)
-- with the table on every key column; T: net changes after @p1, a bigint and no expression.
WITH changed AS (
SELECT portalsync_c.[Firma] AS portalsync_k1, portalsync_c.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Medarbejder], @p1) AS portalsync_c
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Telefon], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[Firma] = m.[Firma] AND portalsync_c.[Nr] = m.[Nr] AND portalsync_c.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20))
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [lon].[Adresse], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[AdrNr] = m.[AdrNr]
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Bynavn], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
WHERE  portalsync_c.[PostNr] = a.[PostNr])
SELECT (CONCAT(m.Firma, '-', m.Nr)),
       m.[Navn],
       t.[Tal],
       b.[By navn],
       m.[Firma],
       m.[Nr]
FROM   changed AS portalsync_c
JOIN   [dbo].[Medarbejder] AS m ON m.[Firma] = portalsync_c.portalsync_k1 AND m.[Nr] = portalsync_c.portalsync_k2
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
WHERE  1 = 1
AND    (m.Status <> 'X')
OPTION (MAXDOP 1)

-- The keys that changed and have no row. W and T: only the key is known of a deleted row; the LEFT JOIN from
-- CHANGETABLE on every key column, kept to the rows without a match.
WITH changed AS (
SELECT portalsync_c.[Firma] AS portalsync_k1, portalsync_c.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Medarbejder], @p1) AS portalsync_c
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Telefon], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[Firma] = m.[Firma] AND portalsync_c.[Nr] = m.[Nr] AND portalsync_c.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20))
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [lon].[Adresse], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[AdrNr] = m.[AdrNr]
UNION
SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Bynavn], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
WHERE  portalsync_c.[PostNr] = a.[PostNr])
SELECT (CONCAT(m.Firma, '-', m.Nr))
FROM   (SELECT portalsync_c.portalsync_k1 AS [Firma], portalsync_c.portalsync_k2 AS [Nr]
        FROM   changed AS portalsync_c
        WHERE  NOT EXISTS (SELECT 1 FROM [dbo].[Medarbejder] AS m
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
        WHERE  m.[Firma] = portalsync_c.portalsync_k1 AND m.[Nr] = portalsync_c.portalsync_k2
AND    (m.Status <> 'X'))) AS m
OPTION (MAXDOP 1)

-- An upper bound of both.
SELECT (SELECT COUNT_BIG(*) FROM CHANGETABLE(CHANGES [dbo].[Medarbejder], @p1) AS portalsync_c)
     + (SELECT COUNT_BIG(*) FROM (SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Telefon], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[Firma] = m.[Firma] AND portalsync_c.[Nr] = m.[Nr] AND portalsync_c.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20))) AS portalsync_o1)
     + (SELECT COUNT_BIG(*) FROM (SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [lon].[Adresse], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
WHERE  portalsync_c.[AdrNr] = m.[AdrNr]) AS portalsync_o2)
     + (SELECT COUNT_BIG(*) FROM (SELECT m.[Firma] AS portalsync_k1, m.[Nr] AS portalsync_k2
FROM   CHANGETABLE(CHANGES [dbo].[Bynavn], @p1) AS portalsync_c
CROSS JOIN [dbo].[Medarbejder] AS m
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
WHERE  portalsync_c.[PostNr] = a.[PostNr]) AS portalsync_o3)
OPTION (MAXDOP 1)

-- The first chunk: key order, one processor, its own short snapshot (trap 5).
SELECT TOP (@p1) (CONCAT(m.Firma, '-', m.Nr)),
       m.[Navn],
       t.[Tal],
       b.[By navn],
       m.[Firma],
       m.[Nr]
FROM   [dbo].[Medarbejder] AS m
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
WHERE  1 = 1
AND    (m.Status <> 'X')
ORDER  BY m.[Firma], m.[Nr]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) (CONCAT(m.Firma, '-', m.Nr)),
       m.[Navn],
       t.[Tal],
       b.[By navn],
       m.[Firma],
       m.[Nr]
FROM   [dbo].[Medarbejder] AS m
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
WHERE  m.[Firma] = CAST(@p2 AS int) AND m.[Nr] > CAST(@p3 COLLATE Danish_Norwegian_CI_AS AS varchar(20))
AND    (m.Status <> 'X')
ORDER  BY m.[Firma], m.[Nr]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) (CONCAT(m.Firma, '-', m.Nr)),
       m.[Navn],
       t.[Tal],
       b.[By navn],
       m.[Firma],
       m.[Nr]
FROM   [dbo].[Medarbejder] AS m
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
WHERE  m.[Firma] > CAST(@p2 AS int)
AND    (m.Status <> 'X')
ORDER  BY m.[Firma], m.[Nr]
OPTION (MAXDOP 1)

-- The rows that may have a record key.
SELECT (CONCAT(m.Firma, '-', m.Nr)),
       m.[Navn],
       t.[Tal],
       b.[By navn],
       m.[Firma],
       m.[Nr]
FROM   [dbo].[Medarbejder] AS m
OUTER APPLY (SELECT TOP (1) portalsync_o.[Firma], portalsync_o.[Nr], portalsync_o.[Slags], portalsync_o.[Tal] FROM [dbo].[Telefon] AS portalsync_o WHERE portalsync_o.[Firma] = m.[Firma] AND portalsync_o.[Nr] = m.[Nr] AND portalsync_o.[Slags] = CAST(N'Løn' COLLATE Danish_Norwegian_CI_AS AS varchar(20)) ORDER BY portalsync_o.[Tal], portalsync_o.[Nr]) AS t
JOIN   [lon].[Adresse] AS a ON a.[AdrNr] = m.[AdrNr]
LEFT JOIN [dbo].[Bynavn] AS b ON b.[PostNr] = a.[PostNr]
WHERE  1 = 1
AND    (m.Status <> 'X')
OPTION (MAXDOP 1)
