//! From columns to the types that everybody shares, and back.

use atname_protocol::{
    BlockHash, Commitment, Digest, Height, Key, Name, OutPoint, Position, QualifiedName, Service,
    Txid,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

/// Number of an effect in the log, from 1.
pub(crate) type EffectNumber = i64;

/// A column that is one of our types.
pub(crate) struct Column<T>(pub(crate) T);

macro_rules! from_bytes {
    ($($type:ident),*) => {$(
        impl FromSql for Column<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                FromSql::column_result(value).map(|bytes| Column($type::from_bytes(bytes)))
            }
        }
    )*};
}
from_bytes!(BlockHash, Commitment, Digest, Key, Txid);

macro_rules! from_text {
    ($($type:ident),*) => {$(
        impl FromSql for Column<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value
                    .as_str()?
                    .parse()
                    .map(Column)
                    .map_err(|error| FromSqlError::Other(Box::new(error)))
            }
        }
    )*};
}
from_text!(Service, Name);

/// Two neighbouring columns, `height` and `tx_index`.
pub(crate) fn position(row: &Row<'_>, first: usize) -> rusqlite::Result<Position> {
    Ok(Position {
        height: row.get(first)?,
        index: row.get(first + 1)?,
    })
}

/// Two neighbouring columns, `txid` and `vout`: both are NULL where there is no outpoint.
pub(crate) fn outpoint(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<OutPoint>> {
    let txid = row.get::<_, Option<Column<Txid>>>(first)?;
    let vout = row.get::<_, Option<u32>>(first + 1)?;
    Ok(txid
        .zip(vout)
        .map(|(Column(txid), vout)| OutPoint { txid, vout }))
}

/// Two neighbouring columns, `service` and `name`.
pub(crate) fn qualified(row: &Row<'_>, first: usize) -> rusqlite::Result<QualifiedName> {
    let Column(service) = row.get(first)?;
    let Column(name) = row.get(first + 1)?;
    QualifiedName::new(service, name).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            first,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

/// `last_effect` of the block at a height, 0 below the first block.
pub(crate) fn last_effect(
    db: &rusqlite::Connection,
    height: Height,
) -> rusqlite::Result<EffectNumber> {
    use rusqlite::OptionalExtension as _;
    db.prepare_cached("SELECT last_effect FROM blocks WHERE height = ?1")?
        .query_row([height], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}
