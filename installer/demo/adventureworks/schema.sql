-- The part of AdventureWorks that belongs to its employees. The SQL Server schemas are part of the names.
CREATE TABLE HumanResources_Department (
    DepartmentID INTEGER PRIMARY KEY,
    Name         TEXT NOT NULL,
    GroupName    TEXT NOT NULL,
    ModifiedDate TEXT
);
CREATE TABLE HumanResources_Employee (
    BusinessEntityID  INTEGER PRIMARY KEY,
    NationalIDNumber  TEXT NOT NULL,
    LoginID           TEXT NOT NULL,
    OrganizationNode  TEXT,
    OrganizationLevel INTEGER,
    JobTitle          TEXT NOT NULL,
    BirthDate         TEXT NOT NULL,
    MaritalStatus     TEXT,
    Gender            TEXT,
    HireDate          TEXT NOT NULL,
    SalariedFlag      INTEGER,
    VacationHours     INTEGER,
    SickLeaveHours    INTEGER,
    CurrentFlag       INTEGER NOT NULL,
    rowguid           TEXT,
    ModifiedDate      TEXT
);
CREATE TABLE HumanResources_EmployeeDepartmentHistory (
    BusinessEntityID INTEGER NOT NULL,
    DepartmentID     INTEGER NOT NULL,
    ShiftID          INTEGER NOT NULL,
    StartDate        TEXT NOT NULL,
    EndDate          TEXT,
    ModifiedDate     TEXT,
    PRIMARY KEY (BusinessEntityID, StartDate, DepartmentID, ShiftID)
);
CREATE TABLE HumanResources_EmployeePayHistory (
    BusinessEntityID INTEGER NOT NULL,
    RateChangeDate   TEXT NOT NULL,
    Rate             TEXT NOT NULL, -- money: a float would not hold every amount
    PayFrequency     INTEGER NOT NULL,
    ModifiedDate     TEXT,
    PRIMARY KEY (BusinessEntityID, RateChangeDate)
);
CREATE TABLE HumanResources_Shift (
    ShiftID      INTEGER PRIMARY KEY,
    Name         TEXT NOT NULL,
    StartTime    TEXT NOT NULL,
    EndTime      TEXT NOT NULL,
    ModifiedDate TEXT
);
CREATE TABLE Person_EmailAddress (
    BusinessEntityID INTEGER NOT NULL,
    EmailAddressID   INTEGER NOT NULL,
    EmailAddress     TEXT,
    rowguid          TEXT,
    ModifiedDate     TEXT,
    PRIMARY KEY (BusinessEntityID, EmailAddressID)
);
CREATE TABLE Person_PersonPhone (
    BusinessEntityID  INTEGER NOT NULL,
    PhoneNumber       TEXT NOT NULL,
    PhoneNumberTypeID INTEGER NOT NULL,
    ModifiedDate      TEXT,
    PRIMARY KEY (BusinessEntityID, PhoneNumber, PhoneNumberTypeID)
);
CREATE TABLE Person_BusinessEntityAddress (
    BusinessEntityID INTEGER NOT NULL,
    AddressID        INTEGER NOT NULL,
    AddressTypeID    INTEGER NOT NULL,
    rowguid          TEXT,
    ModifiedDate     TEXT,
    PRIMARY KEY (BusinessEntityID, AddressID, AddressTypeID)
);
CREATE TABLE Person_Address (
    AddressID       INTEGER PRIMARY KEY,
    AddressLine1    TEXT NOT NULL,
    AddressLine2    TEXT,
    City            TEXT NOT NULL,
    StateProvinceID INTEGER,
    PostalCode      TEXT NOT NULL,
    rowguid         TEXT,
    ModifiedDate    TEXT
);
