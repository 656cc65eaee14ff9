//! Metrics for Prometheus.

use std::net::SocketAddr;

use super::reader::Reader;

#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    /// `SIDEHOOK_METRICS_LISTEN`: where `GET /metrics` is answered, or nowhere.
    pub listen: Option<Place>,
    /// `SIDEHOOK_METRICS_WORKFLOWS`: whether requests and executions are counted for each workflow by itself.
    pub names_workflows: bool,
}

/// Where metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Beside the webhooks, to everybody who can reach those.
    Main,
    /// At an address of their own.
    Own(SocketAddr),
}

impl Metrics {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let place = |text: &str| match text {
            "main" => Some(Place::Main),
            text => text.parse().ok().map(Place::Own),
        };
        Self {
            listen: reader.with(
                "SIDEHOOK_METRICS_LISTEN",
                "an address and a port such as 127.0.0.1:13081, or main for the port of the webhooks",
                place,
            ),
            names_workflows: reader
                .with("SIDEHOOK_METRICS_WORKFLOWS", "true or false", |text| text.parse().ok())
                .unwrap_or(false),
        }
    }
}
