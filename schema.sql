-- What the migrations in migrations/ add up to; a test holds the two together.
--
-- A program that only reads may rely on every table and column here. Open the file read-only and
-- read inside one transaction: each commit is a whole number of blocks, so what one transaction
-- sees is the registry at one tip.
--
-- The registry is a log of effects, numbered from 1 in the order of docs/protocol.md. Each effect
-- is one row of `reservations` (reserved), `openings` (opened) or `versions` (updated, dormant,
-- claimed, woken), and these rows are what a block's digest is taken over. Rows are only added, save
-- that `reservations.opened` is filled in and `names.effect` moved on; a reorganisation deletes the
-- effects of the blocks that it disconnects.
--
-- Hashes and txids are BLOBs of 32 bytes in the order in which they are hashed: the reverse of how
-- they are shown. Commitments, digests and keys are shown in the order in which they are stored.
--
-- PRAGMA application_id is 1635020397 ('atnm'); PRAGMA user_version counts the migrations. Version 1
-- followed earlier rules of the protocol: such a file is refused, and there is no migration from it.

-- Which registry this is, and how far the node was: exactly one row.
CREATE TABLE chain (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    protocol_version INTEGER NOT NULL, -- version of the rules: 1
    genesis BLOB NOT NULL, -- hash of the network's block 0
    window INTEGER NOT NULL, -- W of the network, in blocks
    first_height INTEGER NOT NULL, -- the first block that counts
    node_height INTEGER, -- height the node had, or was on its way to, when the indexer last wrote; NULL before that
    node_hash BLOB, -- hash of the node's tip at that time; the registry's tip while that is below first_height
    node_seen INTEGER -- when the indexer last heard from its node, seconds since 1970; written every 30 seconds and with each block; NULL before that
) STRICT;

-- The blocks from first_height to the tip, without a gap, empty ones too.
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY, -- height of the block
    hash BLOB NOT NULL, -- its hash
    digest BLOB NOT NULL, -- digest of the registry at this block, 32 bytes
    last_effect INTEGER NOT NULL, -- number of the last effect up to here: this block's own effects follow the last_effect of the block before it; 0 where there has been none
    time INTEGER NOT NULL -- time in the block's header, seconds since 1970; the only column here that no digest covers
) STRICT;

-- The services that somebody has reserved in.
CREATE TABLE services (
    service_id INTEGER PRIMARY KEY, -- number of the effect that first reserved in it
    service TEXT NOT NULL UNIQUE -- its label
) STRICT;

-- Effect `reserved`: the reservations, live or not.
CREATE TABLE reservations (
    effect INTEGER PRIMARY KEY, -- number of the effect
    height INTEGER NOT NULL, -- height of its block
    tx_index INTEGER NOT NULL, -- index of its transaction in the block
    service_id INTEGER NOT NULL, -- services.service_id
    commitment BLOB NOT NULL, -- the commitment, 32 bytes
    opened INTEGER -- openings.effect of the claim that first opened it; NULL while none has
) STRICT;

-- Finds the earliest unopened reservation of a service: what makes later names pending.
CREATE INDEX unopened ON reservations (service_id, effect) WHERE opened IS NULL;

-- Effect `opened`: first openings of reservations.
CREATE TABLE openings (
    effect INTEGER PRIMARY KEY, -- number of the effect
    tx_index INTEGER NOT NULL, -- index of the claim's transaction in the block
    reservation INTEGER NOT NULL -- reservations.effect of what it opened
) STRICT;

-- Effects `updated`, `dormant`, `claimed`, `woken`: a name's versions, each as it stood from then on.
CREATE TABLE versions (
    effect INTEGER PRIMARY KEY, -- number of the effect
    height INTEGER NOT NULL, -- height of its block
    tx_index INTEGER NOT NULL, -- index of its transaction in the block
    kind INTEGER NOT NULL CHECK (kind IN (1, 2, 5, 6)), -- 1 updated, 2 dormant, 5 claimed, 6 woken
    service_id INTEGER NOT NULL, -- services.service_id
    name TEXT NOT NULL, -- the name within the service
    txid BLOB, -- the transaction, and of the owner coin; NULL in dormant
    vout INTEGER, -- its output that is the owner coin; NULL in dormant
    key BLOB, -- the key, 20 bytes, zeros when revoked; NULL in dormant and woken, which do not change it
    reservation INTEGER, -- claimed: reservations.effect that gave the priority; else NULL
    previous INTEGER, -- versions.effect of the name's version before this; NULL in its first
    setting INTEGER, -- versions.effect that set key and owner_script; NULL where this one did
    claim INTEGER, -- versions.effect of the claim that set the priority; NULL where this one did
    owner_script BLOB -- scriptPubKey that owns the name; NULL in dormant and woken, which do not change it. It can be as large as a block, so it is the last column: the others are read without it
) STRICT;

-- The present: one row for each name that somebody holds.
CREATE TABLE names (
    service_id INTEGER NOT NULL, -- services.service_id
    name TEXT NOT NULL, -- the name within the service
    effect INTEGER NOT NULL, -- versions.effect of its last version
    PRIMARY KEY (service_id, name)
) STRICT, WITHOUT ROWID;

-- The present in full, for programs and people. Whether a name is final follows from the tip and is
-- not stored: docs/architecture.md says how it is found.
CREATE VIEW registry AS
SELECT
    services.service, -- the service
    names.name, -- the name within the service
    setting.key, -- the key, 20 bytes, zeros when revoked
    setting.owner_script, -- scriptPubKey that owns it
    present.txid AS owner_txid, -- owner coin; NULL when dormant
    present.vout AS owner_vout, -- owner coin; NULL when dormant
    reservations.height AS priority_height, -- priority
    reservations.tx_index AS priority_index, -- priority
    claim.height AS claim_height, -- the claim that set the priority
    claim.tx_index AS claim_index, -- index of that claim in its block
    claim.txid AS claim_txid, -- its transaction
    names.service_id, -- services.service_id
    names.effect, -- versions.effect of the last version
    claim.reservation -- reservations.effect that gave the priority
FROM names
JOIN services ON services.service_id = names.service_id
JOIN versions AS present ON present.effect = names.effect
JOIN versions AS setting ON setting.effect = coalesce(present.setting, present.effect)
JOIN versions AS claim ON claim.effect = coalesce(present.claim, present.effect)
JOIN reservations ON reservations.effect = claim.reservation;
