//! What is said of a database that cannot be followed: once, and not again every second.

use std::collections::HashMap;

use sea_orm::DbErr;

use crate::store::fault::describe;

/// The last word on each subject, so that the same is not said again every second.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<&'static str, String>);

impl Complaints {
    /// Takes a result, and says what is wrong where that is new.
    pub(super) fn hear<T>(&mut self, subject: &'static str, result: Result<T, DbErr>) -> Option<T> {
        match result {
            Ok(value) => {
                if self.0.remove(subject).is_some() {
                    tracing::info!("the {subject} can be read again");
                }
                Some(value)
            }
            Err(err) => {
                let reason = describe(&err);
                if self.0.get(subject) != Some(&reason) {
                    tracing::warn!(reason, "the {subject} cannot be read");
                    self.0.insert(subject, reason);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_can_be_read_again_is_forgotten() {
        let mut complaints = Complaints::default();
        let failed = || Err::<(), _>(DbErr::Custom("no".to_owned()));
        assert_eq!(complaints.hear("workflows", failed()), None);
        assert_eq!(complaints.hear("workflows", failed()), None);
        assert_eq!(complaints.0.len(), 1);
        assert_eq!(complaints.hear("workflows", Ok(1)), Some(1));
        assert!(complaints.0.is_empty());
    }
}
