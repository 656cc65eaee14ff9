//! What a way to sign consists of: the shape of the rows of the list of schemes. What is done with them is in
//! `rule.rs`.

use std::borrow::Cow;

use super::algorithm::{Algorithm, Encoding, KeyForm};

/// A way to sign whose proof is in a header. All of it is data, so that a sender is a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The header with the signature, in lower case.
    pub header: &'static str,
    /// What stands before a signature in it. Signatures with other beginnings are those of other versions.
    pub prefix: &'static str,
    /// What stands between several.
    pub separator: Option<char>,
    pub encoding: Encoding,
    pub algorithm: Algorithm,
    pub key: KeyForm,
    /// What is signed, in its order.
    pub signed: &'static [Part],
    /// The time of the delivery.
    pub stamp: Option<&'static Stamp>,
    /// The header that [`Part::Id`] stands for, in lower case.
    pub id: Option<&'static str>,
}

/// HMAC-SHA256 over the body in hexadecimal digits: most rows differ from it in a member or two.
pub(super) const HMAC: Row = Row {
    header: "",
    prefix: "",
    separator: None,
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    key: KeyForm::Text,
    signed: &[Part::Body],
    stamp: None,
    id: None,
};

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The bytes of the body as they arrived.
    Body,
    /// The time of the delivery, as it is written.
    Stamp,
    /// The id of the delivery.
    Id,
    /// A text that is always the same.
    Text(Cow<'static, str>),
    /// The value of a header, its name in lower case.
    Header(Cow<'static, str>),
    /// The secret itself.
    Secret,
    Method,
    /// The path of the request, still encoded.
    Path,
    /// The query string without `?`, still encoded.
    Query,
    /// The URL that the sender was told, with the query of the request.
    Url,
    /// The same with the escapes undone that HubSpot undoes.
    DecodedUrl,
}

/// The time of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub place: Place,
    pub unit: Unit,
}

/// Where the time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a header of its own, its name in lower case.
    Header(Cow<'static, str>),
    /// Beside the signatures, behind this prefix.
    Beside(Cow<'static, str>),
    /// A member of a JSON body. (The body is signed, so this is read after the signature.)
    Member(&'static str),
}

/// How the time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// A date by RFC 3339.
    Date,
}

/// Where a sender says which delivery a request is, the same when it tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A header, its name in lower case.
    Header(Cow<'static, str>),
    /// A lodash path into the body.
    Body(&'static str),
}

impl Part {
    /// A text that is always the same.
    pub(super) const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The value of a header.
    pub(super) const fn header(name: &'static str) -> Self {
        Self::Header(Cow::Borrowed(name))
    }
}

impl Stamp {
    /// A header of its own.
    pub(super) const fn header(name: &'static str, unit: Unit) -> Self {
        Self { place: Place::Header(Cow::Borrowed(name)), unit }
    }

    /// Seconds, beside the signatures.
    pub(super) const fn beside(prefix: &'static str) -> Self {
        Self { place: Place::Beside(Cow::Borrowed(prefix)), unit: Unit::Seconds }
    }
}
