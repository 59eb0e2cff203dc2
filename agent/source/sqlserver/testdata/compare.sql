-- The first chunk: key order, one processor, its own short snapshot (trap 5).
SELECT TOP (@p1) (CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)),
       f.[Art],
       f.[Fra],
       f.[Til],
       f.[Nr],
       f.[Dag],
       f.[Id]
FROM   [rapport].[Fravær] AS f
WHERE  1 = 1
AND    f.[Id] IS NOT NULL
ORDER  BY f.[Nr], f.[Dag], f.[Id]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) (CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)),
       f.[Art],
       f.[Fra],
       f.[Til],
       f.[Nr],
       f.[Dag],
       f.[Id]
FROM   [rapport].[Fravær] AS f
WHERE  f.[Nr] = CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS varchar(20)) AND f.[Dag] = CAST(@p3 AS date) AND f.[Id] > CAST(@p4 AS uniqueidentifier)
AND    f.[Id] IS NOT NULL
ORDER  BY f.[Nr], f.[Dag], f.[Id]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) (CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)),
       f.[Art],
       f.[Fra],
       f.[Til],
       f.[Nr],
       f.[Dag],
       f.[Id]
FROM   [rapport].[Fravær] AS f
WHERE  f.[Nr] = CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS varchar(20)) AND f.[Dag] > CAST(@p3 AS date)
AND    f.[Id] IS NOT NULL
ORDER  BY f.[Nr], f.[Dag], f.[Id]
OPTION (MAXDOP 1)

-- The rows after a key, as far as its first columns are the same; each one seek (trap 3).
SELECT TOP (@p1) (CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)),
       f.[Art],
       f.[Fra],
       f.[Til],
       f.[Nr],
       f.[Dag],
       f.[Id]
FROM   [rapport].[Fravær] AS f
WHERE  f.[Nr] > CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS varchar(20))
AND    f.[Id] IS NOT NULL
ORDER  BY f.[Nr], f.[Dag], f.[Id]
OPTION (MAXDOP 1)

-- The rows that may have a record key.
SELECT (CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)),
       f.[Art],
       f.[Fra],
       f.[Til],
       f.[Nr],
       f.[Dag],
       f.[Id]
FROM   [rapport].[Fravær] AS f
WHERE  1 = 1
AND    f.[Id] IS NOT NULL
OPTION (MAXDOP 1)
