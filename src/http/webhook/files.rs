//! The files that checks need before they can decide.

use futures_util::future::try_join_all;

use crate::app::App;
use crate::webhook::admission::Stop;
use crate::webhook::document::Wanted;
use crate::webhook::head::Facts;
use crate::webhook::refusal::Refusal;

/// How often checks may ask for files, and for how many at a time, before one request is decided: a check needs one
/// or two, and sometimes a newer copy.
const MAX_ROUNDS: usize = 6;
const MAX_FILES: usize = 4;

/// How often the checks of a request have asked.
#[derive(Default)]
pub(super) struct Files {
    rounds: usize,
}

impl Files {
    /// Adds to the facts what the checks need, and says from where on they are to be asked again.
    pub(super) async fn fetch(&mut self, app: &App, stop: Stop, facts: &mut Facts) -> Result<usize, Refusal> {
        let (wanted, from) = match stop {
            Stop::Refused(refusal) => return Err(refusal),
            Stop::Needs { wanted, from } => (wanted, from),
        };
        if wanted.len() > MAX_FILES {
            return Err(too_many());
        }
        let fetched = async |wanted: Wanted| {
            let document = app.documents.get(&wanted).await?;
            Ok((wanted.url, document))
        };
        for (url, document) in try_join_all(wanted.into_iter().map(fetched)).await? {
            facts.documents.insert(url, document);
        }
        self.rounds += 1;
        if self.rounds < MAX_ROUNDS { Ok(from) } else { Err(too_many()) }
    }
}

fn too_many() -> Refusal {
    Refusal::undecided().because("a check asks for too many files")
}
