-- The record that a report is about, as the employee saw it: JSON of protocol.Expected, null for none.
-- +goose Up
ALTER TABLE report ADD COLUMN expected TEXT NOT NULL DEFAULT 'null';
