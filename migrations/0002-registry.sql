-- The registry as a log of effects, the present of each name, and the blocks they come from.
-- schema.sql documents every table and column.

PRAGMA application_id = 1635020397;

CREATE TABLE chain (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    protocol_version INTEGER NOT NULL,
    genesis BLOB NOT NULL,
    window INTEGER NOT NULL,
    first_height INTEGER NOT NULL,
    node_height INTEGER,
    node_hash BLOB,
    node_seen INTEGER
) STRICT;

CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    digest BLOB NOT NULL,
    last_effect INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;

CREATE TABLE services (
    service_id INTEGER PRIMARY KEY,
    service TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE reservations (
    effect INTEGER PRIMARY KEY,
    height INTEGER NOT NULL,
    tx_index INTEGER NOT NULL,
    service_id INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    opened INTEGER
) STRICT;

CREATE INDEX unopened ON reservations (service_id, effect) WHERE opened IS NULL;

CREATE TABLE openings (
    effect INTEGER PRIMARY KEY,
    tx_index INTEGER NOT NULL,
    reservation INTEGER NOT NULL
) STRICT;

CREATE TABLE versions (
    effect INTEGER PRIMARY KEY,
    height INTEGER NOT NULL,
    tx_index INTEGER NOT NULL,
    kind INTEGER NOT NULL CHECK (kind IN (1, 2, 5, 6)),
    service_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    txid BLOB,
    vout INTEGER,
    key BLOB,
    reservation INTEGER,
    previous INTEGER,
    setting INTEGER,
    claim INTEGER,
    owner_script BLOB
) STRICT;

CREATE TABLE names (
    service_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    effect INTEGER NOT NULL,
    PRIMARY KEY (service_id, name)
) STRICT, WITHOUT ROWID;

CREATE VIEW registry AS
SELECT
    services.service,
    names.name,
    setting.key,
    setting.owner_script,
    present.txid AS owner_txid,
    present.vout AS owner_vout,
    reservations.height AS priority_height,
    reservations.tx_index AS priority_index,
    claim.height AS claim_height,
    claim.tx_index AS claim_index,
    claim.txid AS claim_txid,
    names.service_id,
    names.effect,
    claim.reservation
FROM names
JOIN services ON services.service_id = names.service_id
JOIN versions AS present ON present.effect = names.effect
JOIN versions AS setting ON setting.effect = coalesce(present.setting, present.effect)
JOIN versions AS claim ON claim.effect = coalesce(present.claim, present.effect)
JOIN reservations ON reservations.effect = claim.reservation;
