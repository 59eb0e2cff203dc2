-- The main system of an invented Danish company in SQL Server: the tables of schema.sql in the types that payroll
-- products of its kind use. Amounts are decimal(38,20) as in Business Central; every table has its rowversion.
CREATE TABLE dbo.Afdeling (
    AfdelingNr     varchar(10) COLLATE Danish_Norwegian_CI_AS NOT NULL PRIMARY KEY,
    Navn           nvarchar(60) NOT NULL,
    Omraade        varchar(40) COLLATE Danish_Norwegian_CI_AS NULL,
    OverAfdelingNr varchar(10) COLLATE Danish_Norwegian_CI_AS NULL,
    Version        rowversion NOT NULL
);

CREATE TABLE dbo.Adresse (
    AdresseID int NOT NULL PRIMARY KEY,
    Vej       varchar(80) COLLATE Danish_Norwegian_CI_AS NOT NULL,
    PostNr    char(4) NOT NULL,
    Bynavn    varchar(40) COLLATE Danish_Norwegian_CI_AS NOT NULL,
    Version   rowversion NOT NULL
);

CREATE TABLE dbo.Medarbejder (
    MedarbejderNr int NOT NULL PRIMARY KEY,
    Fornavn       nvarchar(60) NOT NULL,
    Efternavn     nvarchar(60) NOT NULL,
    Mail          varchar(120) NULL,
    Telefon       varchar(20) NULL,
    AdresseID     int NULL,
    AfdelingNr    varchar(10) COLLATE Danish_Norwegian_CI_AS NULL,
    Stilling      varchar(60) COLLATE Danish_Norwegian_CI_AS NULL,
    Ansat         date NULL,
    Fratraadt     date NULL,
    Foedt         date NULL,
    Status        char(1) NOT NULL, -- A aktiv, F fratrådt
    Sprog         char(2) NULL,
    CPR           char(11) NULL,
    RegNr         char(4) NULL,
    KontoNr       varchar(10) NULL,
    Version       rowversion NOT NULL
);

CREATE TABLE dbo.Ansaettelse (
    AnsaettelseNr int NOT NULL PRIMARY KEY,
    MedarbejderNr int NOT NULL,
    AfdelingNr    varchar(10) COLLATE Danish_Norwegian_CI_AS NULL,
    Fra           date NOT NULL,
    Til           date NULL,
    Stilling      varchar(60) COLLATE Danish_Norwegian_CI_AS NULL,
    VagtNr        char(2) NULL,
    Ugetimer      decimal(38,20) NULL,
    Version       rowversion NOT NULL
);

CREATE TABLE dbo.Loensats (
    MedarbejderNr int NOT NULL,
    Fra           date NOT NULL,
    Sats          money NOT NULL,
    Enhed         char(1) NOT NULL, -- M måned, T time
    Version       rowversion NOT NULL,
    PRIMARY KEY (MedarbejderNr, Fra)
);

CREATE TABLE dbo.Vagt (
    VagtNr  char(2) NOT NULL PRIMARY KEY,
    Navn    nvarchar(40) NOT NULL,
    Start   time(0) NOT NULL,
    Slut    time(0) NOT NULL,
    Version rowversion NOT NULL
);

CREATE TABLE dbo.Loenkalender (
    LoenkalenderNr     char(7) NOT NULL PRIMARY KEY,
    Navn               nvarchar(60) NOT NULL,
    PeriodeFra         date NOT NULL,
    PeriodeTil         date NOT NULL,
    Dispositionsdato   date NOT NULL,
    Indberetningsfrist date NULL,
    Version            rowversion NOT NULL
);

CREATE TABLE dbo.Loenseddel (
    LoenseddelNr     int NOT NULL PRIMARY KEY,
    MedarbejderNr    int NOT NULL,
    PeriodeFra       date NOT NULL,
    PeriodeTil       date NOT NULL,
    Dispositionsdato date NOT NULL,
    Brutto           decimal(38,20) NOT NULL,
    Skat             decimal(38,20) NOT NULL, -- A-skat og AM-bidrag
    Netto            decimal(38,20) NOT NULL,
    Titel            nvarchar(80) NULL,
    BilagNr          uniqueidentifier NULL,
    Version          rowversion NOT NULL
);
CREATE INDEX LoenseddelMedarbejder ON dbo.Loenseddel (MedarbejderNr, PeriodeFra);

CREATE TABLE dbo.Loenlinje (
    LoenseddelNr  int NOT NULL,
    LinjeNr       smallint NOT NULL,
    MedarbejderNr int NOT NULL,
    Loenart       varchar(10) NOT NULL,
    Tekst         varchar(80) COLLATE Danish_Norwegian_CI_AS NOT NULL,
    Antal         decimal(38,20) NULL,
    Enhed         varchar(10) COLLATE Danish_Norwegian_CI_AS NULL,
    Sats          decimal(38,20) NULL,
    Beloeb        decimal(38,20) NOT NULL,
    AarTilDato    decimal(38,20) NULL,
    Gruppe        varchar(20) COLLATE Danish_Norwegian_CI_AS NULL,
    Konto         varchar(10) NULL,
    Version       rowversion NOT NULL,
    PRIMARY KEY (LoenseddelNr, LinjeNr)
);

CREATE TABLE dbo.Bilag (
    BilagNr       uniqueidentifier NOT NULL PRIMARY KEY,
    MedarbejderNr int NOT NULL,
    Titel         nvarchar(80) NOT NULL,
    Medietype     varchar(80) NOT NULL,
    Dato          date NULL,
    Stoerrelse    int NOT NULL,
    Indhold       varbinary(max) NOT NULL,
    Version       rowversion NOT NULL
);

CREATE TABLE dbo.Saldotype (
    SaldotypeNr varchar(4) NOT NULL PRIMARY KEY,
    Navn        nvarchar(60) NOT NULL,
    Enhed       char(1) NOT NULL, -- D dage, T timer, K kroner
    Raekke      smallint NULL,
    NavnSV      nvarchar(60) NULL,
    NavnEN      nvarchar(60) NULL,
    Version     rowversion NOT NULL
);

CREATE TABLE dbo.Saldo (
    MedarbejderNr int NOT NULL,
    SaldotypeNr   varchar(4) NOT NULL,
    Rest          decimal(38,20) NOT NULL,
    Optjent       decimal(38,20) NULL,
    Afholdt       decimal(38,20) NULL,
    Pr            date NOT NULL,
    Version       rowversion NOT NULL,
    PRIMARY KEY (MedarbejderNr, SaldotypeNr)
);

CREATE TABLE dbo.Fravaersart (
    Art         varchar(4) NOT NULL PRIMARY KEY,
    Navn        nvarchar(60) NOT NULL,
    Enhed       char(1) NOT NULL, -- D dage, T timer
    Portal      bit NOT NULL,     -- må indberettes af medarbejderen
    SaldotypeNr varchar(4) NULL,
    Raekke      smallint NULL,
    NavnSV      nvarchar(60) NULL,
    NavnEN      nvarchar(60) NULL,
    Version     rowversion NOT NULL
);

CREATE TABLE dbo.Fravaer (
    FravaerNr     int IDENTITY(1,1) NOT NULL PRIMARY KEY,
    MedarbejderNr int NOT NULL,
    Art           varchar(4) NOT NULL,
    Fra           date NOT NULL,
    Til           date NOT NULL,
    Antal         decimal(38,20) NULL,
    Enhed         char(1) NULL,
    Status        char(1) NOT NULL, -- A anmodet, G godkendt, X afvist
    RapportID     varchar(64) NULL,
    Bemaerkning   nvarchar(400) NULL,
    Version       rowversion NOT NULL
);
CREATE INDEX FravaerMedarbejder ON dbo.Fravaer (MedarbejderNr, Fra);

CREATE TABLE dbo.Tidsregistrering (
    TidNr         int IDENTITY(1,1) NOT NULL PRIMARY KEY,
    MedarbejderNr int NOT NULL,
    Dato          date NOT NULL,
    Start         time(0) NULL,
    Slut          time(0) NULL,
    Timer         decimal(38,20) NULL,
    Loenart       varchar(10) NULL,
    DimensionNr   varchar(10) NULL,
    Version       rowversion NOT NULL
);

CREATE TABLE dbo.Vagtplan (
    MedarbejderNr int NOT NULL,
    Dato          date NOT NULL,
    Start         time(0) NOT NULL,
    Slut          time(0) NOT NULL,
    Pause         decimal(38,20) NULL,
    VagtNr        char(2) NULL,
    Version       rowversion NOT NULL,
    PRIMARY KEY (MedarbejderNr, Dato, Start)
);

CREATE TABLE dbo.Registreringstype (
    TypeNr  varchar(10) COLLATE Danish_Norwegian_CI_AS NOT NULL PRIMARY KEY,
    Navn    nvarchar(60) NOT NULL,
    Skema   varchar(20) NOT NULL,
    Enhed   varchar(10) NULL,
    NavnSV  nvarchar(60) NULL,
    NavnEN  nvarchar(60) NULL,
    Version rowversion NOT NULL
);

CREATE TABLE dbo.Registreringsgruppe (
    GruppeNr varchar(10) COLLATE Danish_Norwegian_CI_AS NOT NULL,
    TypeNr   varchar(10) COLLATE Danish_Norwegian_CI_AS NOT NULL,
    Navn     nvarchar(60) NOT NULL,
    Version  rowversion NOT NULL,
    PRIMARY KEY (GruppeNr, TypeNr)
);

CREATE TABLE dbo.Registreringsperiode (
    PeriodeNr char(7) NOT NULL PRIMARY KEY,
    Fra       date NOT NULL,
    Til       date NOT NULL,
    Lukker    date NULL,
    Aaben     bit NOT NULL,
    Version   rowversion NOT NULL
);

CREATE TABLE dbo.Godkender (
    MedarbejderNr int NOT NULL,
    GodkenderNr   int NOT NULL,
    Fra           date NULL,
    Til           date NULL,
    Version       rowversion NOT NULL,
    PRIMARY KEY (MedarbejderNr, GodkenderNr)
);

CREATE TABLE dbo.Dimension (
    DimensionNr varchar(10) NOT NULL PRIMARY KEY,
    Navn        nvarchar(60) NOT NULL,
    Omraade     varchar(40) COLLATE Danish_Norwegian_CI_AS NULL,
    Version     rowversion NOT NULL
);

CREATE TABLE dbo.Sted (
    StedNr  varchar(10) NOT NULL PRIMARY KEY,
    Navn    nvarchar(60) NOT NULL,
    Vej     varchar(80) COLLATE Danish_Norwegian_CI_AS NULL,
    PostNr  char(4) NULL,
    Bynavn  varchar(40) COLLATE Danish_Norwegian_CI_AS NULL,
    Version rowversion NOT NULL
);

-- What employees reported in the portal; the agent writes it, payroll reads it.
CREATE TABLE dbo.PortalIndberetning (
    RapportID     varchar(64) NOT NULL PRIMARY KEY,
    MedarbejderNr int NOT NULL,
    Art           varchar(4) NULL,
    Fra           date NULL,
    Til           date NULL,
    Antal         decimal(38,20) NULL,
    Enhed         char(1) NULL,
    Bemaerkning   nvarchar(400) NULL,
    Indsendt      datetimeoffset(3) NULL
);

-- What payroll decided about them.
CREATE TABLE dbo.IndberetningsResultat (
    RapportID   varchar(64) NOT NULL PRIMARY KEY,
    Udfald      char(1) NOT NULL, -- O overtaget, A afvist
    Begrundelse nvarchar(200) NULL,
    AarsagKode  varchar(20) NULL,
    Afgjort     datetime2(3) NOT NULL, -- dansk tid
    Version     rowversion NOT NULL
);
