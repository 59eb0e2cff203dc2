-- The few record kinds of which operations is told in the list of agents: all others are in order.
-- +goose Up
CREATE INDEX stream_kind_told ON stream_kind (tenant_id, stream_id) WHERE state <> 'ok' OR held <> 0 OR letters > 0;
