//! Traces for a collector of OpenTelemetry, under the names that OpenTelemetry gives them
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use percent_encoding::percent_decode_str;
use url::Url;

use super::reader::Reader;
use super::secret::Secret;

#[derive(Clone, Debug)]
pub struct Traces {
    /// Where spans are sent by OTLP over HTTP, or nowhere: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `/v1/traces` below
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`; none with `OTEL_SDK_DISABLED`. A URL can hold a password.
    pub endpoint: Option<Secret>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: sent with them, `name=value,…` with values in percent encoding.
    pub headers: Option<Secret>,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`: what is said of this process with all spans.
    pub attributes: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler: Sampler,
}

/// Which traces are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether a caller's `traceparent` decides where there is one.
    pub follows_caller: bool,
    /// The share of the others, from 0 to 1.
    pub share: f64,
}

impl Traces {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let form = "a URL of http or https, such as http://127.0.0.1:4318";
        let own = reader.with("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", form, address);
        let below = reader.with("OTEL_EXPORTER_OTLP_ENDPOINT", form, address);
        let below = below.map(|mut url| {
            let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
            url.set_path(&path);
            url
        });
        let is_disabled = reader.with("OTEL_SDK_DISABLED", "true or false", boolean).unwrap_or(false);
        let headers = reader.secret("OTEL_EXPORTER_OTLP_HEADERS");
        if headers.as_ref().is_some_and(|headers| pairs(headers.reveal()).is_none()) {
            reader.fault("OTEL_EXPORTER_OTLP_HEADERS", "name=value pairs with commas between them");
        }
        Self {
            endpoint: own.or(below).filter(|_| !is_disabled).map(|url| Secret::new(url.as_str())),
            headers,
            service_name: reader.text("OTEL_SERVICE_NAME"),
            attributes: reader
                .with("OTEL_RESOURCE_ATTRIBUTES", "name=value pairs with commas between them", pairs)
                .unwrap_or_default(),
            sampler: sampler(reader),
        }
    }

    /// What is sent with the spans as headers: names and values.
    pub fn header_pairs(&self) -> Vec<(String, String)> {
        self.headers.as_ref().and_then(|headers| pairs(headers.reveal())).unwrap_or_default()
    }
}

fn sampler(reader: &mut Reader) -> Sampler {
    let share = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    let share =
        reader.with("OTEL_TRACES_SAMPLER_ARG", "a share from 0 to 1, such as 0.1", share).unwrap_or(1.0);
    let parse = |text: &str| {
        let (follows_caller, kind) = match text.strip_prefix("parentbased_") {
            Some(kind) => (true, kind),
            None => (false, text),
        };
        let share = match kind {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => share,
            _ => return None,
        };
        Some(Sampler { follows_caller, share })
    };
    let form = "always_on, always_off or traceidratio, alone or after parentbased_";
    reader.with("OTEL_TRACES_SAMPLER", form, parse).unwrap_or(Sampler { follows_caller: true, share: 1.0 })
}

fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

/// `name=value,…`; none when a part is no pair.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn load(settings: &[(&str, &str)]) -> Result<Traces, String> {
        let pairs = settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let database = ("SIDEHOOK_DATABASE_URL".to_owned(), "sqlite:///tmp/x".to_owned());
        let environment = pairs.chain([database]).collect();
        let config = Config::load(&Sources { file: None, environment });
        config.map(|config| config.traces).map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_path_is_added_to_the_common_endpoint_only() {
        let endpoint = |settings: &[(&str, &str)]| {
            let traces = load(settings).expect("good settings");
            traces.endpoint.map(|endpoint| endpoint.reveal().to_owned())
        };
        let common = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otlp/");
        assert_eq!(endpoint(&[common]).as_deref(), Some("http://c:4318/otlp/v1/traces"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/");
        assert_eq!(endpoint(&[common, own]).as_deref(), Some("https://t/"));
        assert_eq!(endpoint(&[common, ("OTEL_SDK_DISABLED", "True")]), None);
        assert_eq!(endpoint(&[]), None);
    }

    #[test]
    fn a_share_belongs_to_its_sampler() {
        let sampler = |kind, share| {
            let settings = [("OTEL_TRACES_SAMPLER", kind), ("OTEL_TRACES_SAMPLER_ARG", share)];
            load(&settings).map(|traces| traces.sampler)
        };
        assert_eq!(sampler("traceidratio", "0.25"), Ok(Sampler { follows_caller: false, share: 0.25 }));
        let off = Sampler { follows_caller: true, share: 0.0 };
        assert_eq!(sampler("parentbased_always_off", "0.25"), Ok(off));
        for (kind, share) in [("sometimes", "1"), ("traceidratio", "2")] {
            assert!(sampler(kind, share).is_err_and(|faults| faults.contains("OTEL_TRACES_SAMPLER")));
        }
    }

    #[test]
    fn headers_are_decoded_and_never_printed() {
        let traces = load(&[("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c, d=hunter2=")]).expect("good settings");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(traces.header_pairs(), [pair("a", "b c"), pair("d", "hunter2=")]);
        assert!(!format!("{traces:?}").contains("hunter2"));
        let faults = load(&[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]).expect_err("no pair");
        assert!(faults.contains("OTEL_EXPORTER_OTLP_HEADERS") && !faults.contains("hunter2"), "{faults}");
    }
}
