//! Whether the file still says what its digests were taken over. SQLite notices a page that is torn,
//! but not a byte that is another one within a value; the digests do.

use crate::columns::{Column, EffectNumber, outpoint, position};
use crate::error::{Error, Result, one_line};
use crate::read::Snapshot;
use crate::schema;
use atname_protocol::{BlockHash, Digest, Effect, Height, Name, QualifiedName, Service};
use rusqlite::{Connection, Row, Statement};
use std::collections::HashMap;

/// The log in its order, each effect with all that it sets.
const LOG: &str = "
    SELECT effect, 3 AS kind, height, tx_index, service_id, commitment,
        NULL AS name, NULL AS key, NULL AS owner_script, NULL AS txid, NULL AS vout,
        NULL AS reserved_height, NULL AS reserved_index
    FROM reservations
    UNION ALL
    SELECT o.effect, 4, NULL, o.tx_index, r.service_id, r.commitment,
        NULL, NULL, NULL, NULL, NULL, r.height, r.tx_index
    FROM openings AS o LEFT JOIN reservations AS r ON r.effect = o.reservation
    UNION ALL
    SELECT v.effect, v.kind, v.height, v.tx_index, v.service_id, NULL,
        v.name, v.key, v.owner_script, v.txid, v.vout, r.height, r.tx_index
    FROM versions AS v LEFT JOIN reservations AS r ON r.effect = v.reservation
    ORDER BY effect";

/// What follows from the log: each query counts the rows in which it does not.
const DERIVED: &[(&str, &str)] = &[
    (
        "a service is not numbered after its first reservation",
        "SELECT count(*) FROM services AS s LEFT JOIN reservations AS r ON r.effect = s.service_id
         WHERE r.service_id IS NOT s.service_id",
    ),
    (
        "a reservation is opened by nothing",
        "SELECT count(*) FROM reservations AS r LEFT JOIN openings AS o ON o.effect = r.opened
         WHERE r.opened IS NOT NULL AND o.reservation IS NOT r.effect",
    ),
    (
        "an opening opens nothing",
        "SELECT (SELECT count(*) FROM openings) <> (SELECT count(opened) FROM reservations)",
    ),
    (
        "a version does not follow from the one before it",
        "SELECT count(*) FROM versions AS v LEFT JOIN versions AS p ON p.effect = v.previous
         WHERE CASE WHEN v.previous IS NULL THEN v.kind <> 5
             ELSE p.effect IS NULL OR p.effect >= v.effect
                 OR p.service_id <> v.service_id OR p.name <> v.name END
         OR v.setting IS NOT
             CASE WHEN v.kind IN (1, 5) THEN NULL ELSE coalesce(p.setting, p.effect) END
         OR v.claim IS NOT CASE WHEN v.kind = 5 THEN NULL ELSE coalesce(p.claim, p.effect) END
         OR (v.kind = 5) <> (v.reservation IS NOT NULL) OR (v.kind = 2) <> (v.vout IS NULL)
         OR (v.kind = 2) <> (v.txid IS NULL)
         OR (v.kind IN (1, 5)) <> (v.key IS NOT NULL)
         OR (v.kind IN (1, 5)) <> (v.owner_script IS NOT NULL)",
    ),
    (
        "two versions follow the same one",
        "SELECT count(previous) <> count(DISTINCT previous) FROM versions",
    ),
    (
        "a name is not at its last version",
        "SELECT count(*) FROM names AS n LEFT JOIN versions AS v ON v.effect = n.effect
         WHERE v.service_id IS NOT n.service_id OR v.name IS NOT n.name
         OR n.effect IN (SELECT previous FROM versions WHERE previous IS NOT NULL)",
    ),
    (
        "a name is missing",
        "SELECT (SELECT count(*) FROM names)
             <> (SELECT count(*) FROM versions WHERE previous IS NULL)",
    ),
];

impl Snapshot<'_> {
    /// Recomputes the digest of every block from the log, and checks that everything else follows from
    /// the log. It reads the whole file, one effect at a time.
    ///
    /// # Errors
    /// [`Error::Damaged`] says at which block, or what else does not follow; or where the file cannot
    /// be read.
    pub fn verify(&self) -> Result<()> {
        self.verify_pages()?;
        self.verify_schema()?;
        self.verify_log()?;
        for (what, query) in DERIVED {
            let count: i64 = self
                .db()
                .query_row(query, [], |row| row.get(0))
                .map_err(|error| self.failed(error))?;
            if count != 0 {
                return Err(self.damaged((*what).into()));
            }
        }
        Ok(())
    }

    fn verify_pages(&self) -> Result<()> {
        let found: String = self
            .db()
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| self.failed(error))?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(self.damaged(found)),
        }
    }

    fn verify_schema(&self) -> Result<()> {
        let read = |db: &Connection| -> rusqlite::Result<Vec<(String, Option<String>)>> {
            db.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let found = read(self.db()).map_err(|error| self.failed(error))?;
        let written = schema::empty(self.path())?;
        match read(&written).map_err(|error| self.failed(error))? == found {
            true => Ok(()),
            false => Err(self.damaged("its schema is another".into())),
        }
    }

    fn verify_log(&self) -> Result<()> {
        let prepare = |sql| self.db().prepare(sql).map_err(|error| self.failed(error));
        let services = self.services(&mut prepare("SELECT service_id, service FROM services")?)?;
        let mut blocks =
            prepare("SELECT height, hash, digest, last_effect FROM blocks ORDER BY height")?;
        let mut blocks = blocks.query([]).map_err(|error| self.failed(error))?;
        let mut log = prepare(LOG)?;
        let mut log = log.query([]).map_err(|error| self.failed(error))?;
        let mut digest = Digest::initial(self.params());
        let mut height = self.params().first_height;
        let mut last: EffectNumber = 0;
        let mut next = |last: EffectNumber| -> Result<Option<Logged>> {
            let row = log.next().map_err(|error| self.failed(error))?;
            let logged = row
                .map(|row| logged(row, &services))
                .transpose()
                .map_err(|error| self.failed(error))?;
            match logged {
                Some(logged) if logged.effect != last + 1 => {
                    Err(self.damaged(format!("effect {} is missing", last + 1)))
                }
                other => Ok(other),
            }
        };
        let mut pending = next(last)?;
        while let Some(row) = blocks.next().map_err(|error| self.failed(error))? {
            let block = block(row).map_err(|error| self.failed(error))?;
            if block.height != height {
                return Err(self.damaged(format!("block {height} is missing")));
            }
            let wrong = || self.damaged(format!("block {height} does not give its digest"));
            let mut effects = digest.block(&block.hash);
            while let Some(logged) = pending.take_if(|logged| logged.effect <= block.last_effect) {
                last = logged.effect;
                if logged.height.is_some_and(|at| at != height) {
                    return Err(wrong());
                }
                effects.add(logged.tx_index, &logged.sets);
                pending = next(last)?;
            }
            digest = effects.finish();
            if digest != block.digest || last != block.last_effect {
                return Err(wrong());
            }
            height += 1;
        }
        match pending {
            Some(_) => Err(self.damaged("there are effects of no block".into())),
            None => Ok(()),
        }
    }

    fn services(&self, query: &mut Statement<'_>) -> Result<HashMap<i64, Service>> {
        let mut read = || {
            query
                .query_map([], |row| {
                    let Column(service) = row.get(1)?;
                    Ok((row.get(0)?, service))
                })?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }

    fn damaged(&self, what: String) -> Error {
        Error::Damaged {
            path: self.path().into(),
            what: one_line(what),
        }
    }
}

struct BlockRow {
    height: Height,
    hash: BlockHash,
    digest: Digest,
    last_effect: EffectNumber,
}

fn block(row: &Row<'_>) -> rusqlite::Result<BlockRow> {
    let (Column(hash), Column(digest)) = (row.get(1)?, row.get(2)?);
    Ok(BlockRow {
        height: row.get(0)?,
        hash,
        digest,
        last_effect: row.get(3)?,
    })
}

/// One effect of the log.
struct Logged {
    effect: EffectNumber,
    /// The height that its row names, where it names one.
    height: Option<Height>,
    tx_index: u32,
    sets: Effect,
}

fn logged(row: &Row<'_>, services: &HashMap<i64, Service>) -> rusqlite::Result<Logged> {
    let kind: u8 = row.get(1)?;
    let service = services
        .get(&row.get(4)?)
        .copied()
        .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let name = || -> rusqlite::Result<QualifiedName> {
        let Column(name) = row.get::<_, Column<Name>>(6)?;
        QualifiedName::new(service, name).map_err(|_| rusqlite::Error::QueryReturnedNoRows)
    };
    let commitment = || row.get(5).map(|Column(commitment)| commitment);
    let key = || row.get(7).map(|Column(key)| key);
    let owner = || outpoint(row, 9)?.ok_or(rusqlite::Error::QueryReturnedNoRows);
    let sets = match kind {
        1 => Effect::Updated {
            name: name()?,
            key: key()?,
            owner_script: row.get(8)?,
            owner: owner()?,
        },
        2 => Effect::Dormant { name: name()? },
        3 => Effect::Reserved {
            service,
            commitment: commitment()?,
        },
        4 => Effect::Opened {
            service,
            commitment: commitment()?,
            reservation: position(row, 11)?,
        },
        5 => Effect::Claimed {
            name: name()?,
            key: key()?,
            owner_script: row.get(8)?,
            owner: owner()?,
            priority: position(row, 11)?,
        },
        6 => Effect::Woken {
            name: name()?,
            owner: owner()?,
        },
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(1, other.into())),
    };
    Ok(Logged {
        effect: row.get(0)?,
        height: row.get(2)?,
        tx_index: row.get(3)?,
        sets,
    })
}
