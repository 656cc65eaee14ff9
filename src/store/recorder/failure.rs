//! Why a transaction of records has not been committed.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};

use crate::store::fault::{Fault, describe};
use crate::store::record::RecordError;

pub(super) enum Failure {
    Fenced,
    Database(DbErr),
    /// The records could be written, and what the request log says of them could not.
    Log(DbErr),
}

impl Failure {
    /// The database has not answered for so long.
    pub(super) fn unanswered(limit: Duration) -> Self {
        let reason = format!("the database has not answered for {} seconds", limit.as_secs());
        Failure::Database(DbErr::Conn(RuntimeErr::Internal(reason)))
    }

    pub(super) fn into_error(self) -> RecordError {
        match self {
            Failure::Fenced => RecordError::Fenced,
            // A right that is missing can be granted: nothing is wrong with the record.
            Failure::Database(err) | Failure::Log(err) if Fault::of(&err).is_of_the_database() => {
                RecordError::Unavailable(describe(&err))
            }
            Failure::Database(err) | Failure::Log(err) => RecordError::Refused(describe(&err)),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(err: DbErr) -> Self {
        Failure::Database(err)
    }
}
