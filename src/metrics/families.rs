//! What was measured of one or several applications, as Prometheus reads it.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;
use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};

/// Metrics of the same names together.
#[derive(Default)]
pub struct Families(pub(super) Vec<MetricFamily>);

impl Families {
    /// Whether each application is served, by its name.
    pub fn of_apps<'a>(served: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let registry = Registry::new();
        let up = Opts::new("sidehook_app_up", "Whether an application is served: 1 where it is.");
        let Ok(up) = IntGaugeVec::new(up, &["app"]) else { return Self::default() };
        if registry.register(Box::new(up.clone())).is_err() {
            return Self::default();
        }
        served.for_each(|(app, is_served)| up.with_label_values(&[app]).set(is_served.into()));
        Self(registry.gather())
    }

    /// All of them: what has the same name stands in one place.
    #[must_use]
    pub fn joined(all: impl IntoIterator<Item = Self>) -> Self {
        let mut by_name: BTreeMap<String, MetricFamily> = BTreeMap::new();
        for mut family in all.into_iter().flat_map(|families| families.0) {
            match by_name.get_mut(family.name()) {
                Some(known) => known.mut_metric().extend(family.take_metric()),
                None => {
                    by_name.insert(family.name().to_owned(), family);
                }
            }
        }
        Self(by_name.into_values().collect())
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // It fails on families without a sample only, which are not gathered.
        let _ = TextEncoder::new().encode(&self.0, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, Metrics};
    use super::*;

    #[test]
    fn applications_are_told_apart_within_each_family() {
        let of = |app| Metrics::new(false, Some(app)).measured(&[Level::Backlog(4)]);
        let up = Families::of_apps([("main", true), ("shop", false)].into_iter());
        let text = Families::joined([of("main"), of("shop"), up]).text();
        for line in [
            "sidehook_backlog_executions{app=\"main\"} 4",
            "sidehook_backlog_executions{app=\"shop\"} 4",
            "sidehook_app_up{app=\"shop\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
        }
        let heads = text.lines().filter(|line| line.starts_with("# TYPE sidehook_backlog_executions "));
        assert_eq!(heads.count(), 1, "{text}");
    }
}
