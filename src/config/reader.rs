//! Where settings come from, and how one is read: the environment before the file, faults and warnings kept until
//! all have been read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::secret::Secret;
use crate::measure::{duration, size};

/// Where settings come from: a file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used:{}", .0.iter().map(|fault| format!("\n  - {fault}")).collect::<String>())]
pub struct Faults(pub Vec<String>);

const TIME_FORM: &str = "a time such as 30s, 5m or 500ms, and not 0";
const SIZE_FORM: &str = "a size such as 10mb, and not 0";

/// Set for NocoBase's plugin, in an env file that serves both.
const OF_THE_PLUGIN: [&str; 1] = ["SIDEHOOK_URL"];
/// What Kubernetes adds to the environment where a service is called sidehook.
const OF_KUBERNETES: [&str; 4] =
    ["SIDEHOOK_SERVICE_HOST", "SIDEHOOK_SERVICE_PORT", "SIDEHOOK_PORT", "SIDEHOOK_PORT_"];

/// Reads one setting after the other and remembers what was wrong.
pub(super) struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    /// The names that were asked for.
    asked: BTreeSet<String>,
    faults: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn open(sources: &'a Sources) -> Self {
        let mut reader = Self {
            environment: &sources.environment,
            file: BTreeMap::new(),
            asked: BTreeSet::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        if let Some(path) = &sources.file {
            match read_file(path) {
                Ok(settings) => reader.file = settings,
                Err(fault) => reader.faults.push(fault),
            }
        }
        reader
    }

    /// A setting by its name in the environment; an empty one counts as none.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.asked.insert(name.to_owned());
        let found = self.environment.get(name).filter(|text| !text.is_empty());
        found.or_else(|| self.file.get(&file_key(name))).filter(|text| !text.is_empty()).cloned()
    }

    /// A secret: the setting itself, or the first line of the file that `<name>_FILE` names.
    pub(super) fn secret(&mut self, name: &str) -> Option<Secret> {
        let file_name = format!("{name}_FILE");
        let (text, path) = (self.text(name), self.text(&file_name));
        let Some(path) = path else { return text.map(Secret::new) };
        if text.is_some() {
            self.faults.push(format!("{name} and {file_name} are both set: leave one out"));
            return None;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(Secret::new(text.lines().next().unwrap_or_default())),
            Err(err) => {
                self.faults.push(format!("{file_name} names {path}, which cannot be read: {err}"));
                None
            }
        }
    }

    pub(super) fn with<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.fault(name, expected);
        }
        parsed
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, expected: &str, default: T) -> T {
        self.with(name, expected, |text| text.parse().ok()).unwrap_or(default)
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, name: &str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
        self.with(name, &expected, |text| text.trim().parse().ok().filter(|number| bounds.contains(number)))
    }

    /// A time above 0.
    pub(super) fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let parse = |text: &str| duration(text).filter(|time| !time.is_zero());
        self.with(name, TIME_FORM, parse).unwrap_or(default)
    }

    /// A number of bytes above 0.
    pub(super) fn size(&mut self, name: &str, default: usize) -> usize {
        self.with(name, SIZE_FORM, |text| size(text).filter(|bytes| *bytes > 0)).unwrap_or(default)
    }

    /// Values are never repeated in a fault: they could be secrets.
    pub(super) fn fault(&mut self, name: &str, expected: &str) {
        self.faults.push(format!("{name} must be {expected}"));
    }

    /// A fault in words of its own.
    pub(super) fn fault_text(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    /// What is to be told although sidehook can serve.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// A name of the environment alone, which no file can set.
    pub(super) fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The warnings, once everything has been read; all faults where there is one.
    pub(super) fn finish(mut self) -> Result<Vec<String>, Faults> {
        let keys: BTreeSet<String> = self.asked.iter().map(|name| file_key(name)).collect();
        let unknown = self.file.keys().filter(|key| !keys.contains(*key));
        self.faults.extend(unknown.map(|key| format!("the file has an unknown setting: {key}")));
        let unknown = self.environment.keys().filter(|name| {
            name.starts_with("SIDEHOOK_") && !self.asked.contains(*name) && !is_somebody_elses(name)
        });
        self.warnings
            .extend(unknown.map(|name| format!("there is no setting {name}; config.example.toml lists all")));
        if self.faults.is_empty() { Ok(self.warnings) } else { Err(Faults(self.faults)) }
    }

    /// The faults so far, where not everything has been read.
    pub(super) fn finish_early(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }

    /// The keys that a file may have.
    #[cfg(test)]
    pub(super) fn known_keys(&self) -> BTreeSet<String> {
        self.asked.iter().map(|name| file_key(name)).collect()
    }
}

fn is_somebody_elses(name: &str) -> bool {
    OF_THE_PLUGIN.contains(&name)
        || OF_KUBERNETES.iter().any(|known| match known.strip_suffix('_') {
            Some(start) => name.starts_with(start),
            None => name == *known,
        })
}

/// What a setting is called in the file.
fn file_key(name: &str) -> String {
    name.strip_prefix("SIDEHOOK_").unwrap_or(name).to_ascii_lowercase()
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|err| format!("{} cannot be read: {err}", path.display()))?;
    // The message of the parser alone: its whole text shows the line, which may hold a secret.
    let table: toml::Table =
        text.trim_start_matches('\u{feff}').parse().map_err(|err: toml::de::Error| {
            let line = err.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
            format!("{} is not valid TOML{place}: {}", path.display(), err.message())
        })?;
    let settings = table.into_iter().map(|(key, value)| match value {
        toml::Value::String(text) => (key, text),
        other => (key, other.to_string()),
    });
    Ok(settings.collect())
}
