-- The main system of an invented Danish company, as a payroll product of its kind names its tables.
CREATE TABLE Afdeling (
    AfdelingNr     TEXT PRIMARY KEY,
    Navn           TEXT NOT NULL,
    Omraade        TEXT,
    OverAfdelingNr TEXT
) WITHOUT ROWID;

CREATE TABLE Adresse (
    AdresseID INTEGER PRIMARY KEY,
    Vej       TEXT NOT NULL,
    PostNr    TEXT NOT NULL,
    Bynavn    TEXT NOT NULL
);

CREATE TABLE Medarbejder (
    MedarbejderNr INTEGER PRIMARY KEY,
    Fornavn       TEXT NOT NULL,
    Efternavn     TEXT NOT NULL,
    Mail          TEXT,
    Telefon       TEXT,
    AdresseID     INTEGER,
    AfdelingNr    TEXT,
    Stilling      TEXT,
    Ansat         TEXT,
    Fratraadt     TEXT,
    Foedt         TEXT,
    Status        TEXT NOT NULL, -- A aktiv, F fratrådt
    Sprog         TEXT,
    CPR           TEXT,
    RegNr         TEXT,
    KontoNr       TEXT
);

CREATE TABLE Ansaettelse (
    AnsaettelseNr INTEGER PRIMARY KEY,
    MedarbejderNr INTEGER NOT NULL,
    AfdelingNr    TEXT,
    Fra           TEXT NOT NULL,
    Til           TEXT,
    Stilling      TEXT,
    VagtNr        TEXT,
    Ugetimer      NUMERIC
);

CREATE TABLE Loensats (
    MedarbejderNr INTEGER NOT NULL,
    Fra           TEXT NOT NULL,
    Sats          NUMERIC NOT NULL,
    Enhed         TEXT NOT NULL, -- M måned, T time
    PRIMARY KEY (MedarbejderNr, Fra)
) WITHOUT ROWID;

CREATE TABLE Vagt (
    VagtNr TEXT PRIMARY KEY,
    Navn   TEXT NOT NULL,
    Start  TEXT NOT NULL,
    Slut   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE Loenkalender (
    LoenkalenderNr TEXT PRIMARY KEY,
    Navn           TEXT NOT NULL,
    PeriodeFra     TEXT NOT NULL,
    PeriodeTil     TEXT NOT NULL,
    Dispositionsdato TEXT NOT NULL,
    Indberetningsfrist TEXT
) WITHOUT ROWID;

CREATE TABLE Loenseddel (
    LoenseddelNr     INTEGER PRIMARY KEY,
    MedarbejderNr    INTEGER NOT NULL,
    PeriodeFra       TEXT NOT NULL,
    PeriodeTil       TEXT NOT NULL,
    Dispositionsdato TEXT NOT NULL,
    Brutto           NUMERIC NOT NULL,
    Skat             NUMERIC NOT NULL, -- A-skat og AM-bidrag
    Netto            NUMERIC NOT NULL,
    Titel            TEXT,
    BilagNr          INTEGER
);
CREATE INDEX LoenseddelMedarbejder ON Loenseddel (MedarbejderNr, PeriodeFra);

CREATE TABLE Loenlinje (
    LoenseddelNr  INTEGER NOT NULL,
    LinjeNr       INTEGER NOT NULL,
    MedarbejderNr INTEGER NOT NULL,
    Loenart       TEXT NOT NULL,
    Tekst         TEXT NOT NULL,
    Antal         NUMERIC,
    Enhed         TEXT,
    Sats          NUMERIC,
    Beloeb        NUMERIC NOT NULL,
    AarTilDato    NUMERIC,
    Gruppe        TEXT,
    Konto         TEXT,
    PRIMARY KEY (LoenseddelNr, LinjeNr)
) WITHOUT ROWID;

CREATE TABLE Bilag (
    BilagNr       INTEGER PRIMARY KEY,
    MedarbejderNr INTEGER NOT NULL,
    Titel         TEXT NOT NULL,
    Medietype     TEXT NOT NULL,
    Dato          TEXT,
    Stoerrelse    INTEGER NOT NULL,
    Indhold       BLOB NOT NULL
);

CREATE TABLE Saldotype (
    SaldotypeNr TEXT PRIMARY KEY,
    Navn        TEXT NOT NULL,
    Enhed       TEXT NOT NULL, -- D dage, T timer, K kroner
    Raekke      INTEGER,
    NavnSV      TEXT,
    NavnEN      TEXT
) WITHOUT ROWID;

CREATE TABLE Saldo (
    MedarbejderNr INTEGER NOT NULL,
    SaldotypeNr   TEXT NOT NULL,
    Rest          NUMERIC NOT NULL,
    Optjent       NUMERIC,
    Afholdt       NUMERIC,
    Pr            TEXT NOT NULL,
    PRIMARY KEY (MedarbejderNr, SaldotypeNr)
) WITHOUT ROWID;

CREATE TABLE Fravaersart (
    Art         TEXT PRIMARY KEY,
    Navn        TEXT NOT NULL,
    Enhed       TEXT NOT NULL, -- D dage, T timer
    Portal      INTEGER NOT NULL, -- må indberettes af medarbejderen
    SaldotypeNr TEXT,
    Raekke      INTEGER,
    NavnSV      TEXT,
    NavnEN      TEXT
) WITHOUT ROWID;

CREATE TABLE Fravaer (
    FravaerNr     INTEGER PRIMARY KEY,
    MedarbejderNr INTEGER NOT NULL,
    Art           TEXT NOT NULL,
    Fra           TEXT NOT NULL,
    Til           TEXT NOT NULL,
    Antal         NUMERIC,
    Enhed         TEXT,
    Status        TEXT NOT NULL, -- A anmodet, G godkendt, X afvist
    RapportID     TEXT,
    Bemaerkning   TEXT
);
CREATE INDEX FravaerMedarbejder ON Fravaer (MedarbejderNr, Fra);

CREATE TABLE Tidsregistrering (
    TidNr         INTEGER PRIMARY KEY,
    MedarbejderNr INTEGER NOT NULL,
    Dato          TEXT NOT NULL,
    Start         TEXT,
    Slut          TEXT,
    Timer         NUMERIC,
    Loenart       TEXT,
    DimensionNr   TEXT
);

CREATE TABLE Vagtplan (
    MedarbejderNr INTEGER NOT NULL,
    Dato          TEXT NOT NULL,
    Start         TEXT NOT NULL,
    Slut          TEXT NOT NULL,
    Pause         NUMERIC,
    VagtNr        TEXT,
    PRIMARY KEY (MedarbejderNr, Dato, Start)
) WITHOUT ROWID;

CREATE TABLE Registreringstype (
    TypeNr TEXT PRIMARY KEY,
    Navn   TEXT NOT NULL,
    Skema  TEXT NOT NULL,
    Enhed  TEXT,
    NavnSV TEXT,
    NavnEN TEXT
) WITHOUT ROWID;

CREATE TABLE Registreringsgruppe (
    GruppeNr TEXT NOT NULL,
    TypeNr   TEXT NOT NULL,
    Navn     TEXT NOT NULL,
    PRIMARY KEY (GruppeNr, TypeNr)
) WITHOUT ROWID;

CREATE TABLE Registreringsperiode (
    PeriodeNr TEXT PRIMARY KEY,
    Fra       TEXT NOT NULL,
    Til       TEXT NOT NULL,
    Lukker    TEXT,
    Aaben     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE Godkender (
    MedarbejderNr INTEGER NOT NULL,
    GodkenderNr   INTEGER NOT NULL,
    Fra           TEXT,
    Til           TEXT,
    PRIMARY KEY (MedarbejderNr, GodkenderNr)
) WITHOUT ROWID;

CREATE TABLE Dimension (
    DimensionNr TEXT PRIMARY KEY,
    Navn        TEXT NOT NULL,
    Omraade     TEXT
) WITHOUT ROWID;

CREATE TABLE Sted (
    StedNr TEXT PRIMARY KEY,
    Navn   TEXT NOT NULL,
    Vej    TEXT,
    PostNr TEXT,
    Bynavn TEXT
) WITHOUT ROWID;

-- What employees reported in the portal; the agent writes it, payroll reads it.
CREATE TABLE PortalIndberetning (
    RapportID     TEXT PRIMARY KEY,
    MedarbejderNr INTEGER NOT NULL,
    Art           TEXT,
    Fra           TEXT,
    Til           TEXT,
    Antal         NUMERIC,
    Enhed         TEXT,
    Bemaerkning   TEXT,
    Indsendt      TEXT
);

-- What payroll decided about them.
CREATE TABLE IndberetningsResultat (
    RapportID   TEXT PRIMARY KEY,
    Udfald      TEXT NOT NULL, -- O overtaget, A afvist
    Begrundelse TEXT,
    AarsagKode  TEXT,
    Afgjort     TEXT NOT NULL
) WITHOUT ROWID;
