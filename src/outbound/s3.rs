//! Addresses of objects that hold their own proof: S3's Signature Version 4 in the query of a URL
//! (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html). OSS and COS take it as well.

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use url::Url;

/// How long an address is good for, in seconds: as long as it may take to ask.
const EXPIRES: u32 = 300;

/// What is not percent-encoded: RFC 3986's unreserved characters.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const IN_PATH: AsciiSet = UNRESERVED.remove(b'/');

/// A bucket and who may read it.
#[derive(Clone)]
pub(crate) struct Bucket {
    /// The URL of the bucket itself, of which a path is part where the bucket's name is not in the host.
    pub base: Url,
    pub region: String,
    pub key_id: String,
    pub secret: String,
    /// Of credentials that hold for a while.
    pub session_token: Option<String>,
}

impl Bucket {
    /// The address under which an object can be read now. `None` where the base is no URL that has paths.
    pub(crate) fn signed(&self, object: &str, now: DateTime<Utc>) -> Option<Url> {
        self.signed_for(object, now, EXPIRES)
    }

    fn signed_for(&self, object: &str, now: DateTime<Utc>, expires: u32) -> Option<Url> {
        let host = match self.base.port() {
            Some(port) => format!("{}:{port}", self.base.host_str()?),
            None => self.base.host_str()?.to_owned(),
        };
        let object = utf8_percent_encode(object, &IN_PATH);
        let path = format!("{}/{object}", self.base.path().trim_end_matches('/'));
        let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%SZ").to_string());
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let encoded = |text: &str| utf8_percent_encode(text, &UNRESERVED).to_string();
        let mut query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={time}&X-Amz-Expires={expires}",
            encoded(&format!("{}/{scope}", self.key_id))
        );
        if let Some(token) = &self.session_token {
            query = format!("{query}&X-Amz-Security-Token={}", encoded(token));
        }
        query.push_str("&X-Amz-SignedHeaders=host");
        let request = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let request = hex::encode(digest::digest(&digest::SHA256, request.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
        let key = ["aws4_request", "s3", &self.region, &day]
            .iter()
            .rev()
            .fold(format!("AWS4{}", self.secret).into_bytes(), |key, part| mac(&key, part));
        let signature = hex::encode(mac(&key, &text));
        let mut url = self.base.clone();
        url.set_path(&path);
        url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
        Some(url)
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn bucket(base: &str) -> Bucket {
        Bucket {
            base: Url::parse(base).expect("a URL"),
            region: "us-east-1".into(),
            key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    /// The example of AWS's documentation.
    #[test]
    fn the_example_of_the_documentation_is_signed_as_it_says() {
        let now = Utc.with_ymd_and_hms(2013, 5, 24, 0, 0, 0).single().expect("a time");
        let url = bucket("https://examplebucket.s3.amazonaws.com").signed_for("test.txt", now, 86400);
        let expected = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
            &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(url.expect("a URL").as_str(), expected);
    }

    #[test]
    fn names_of_objects_are_encoded_and_bases_keep_their_paths() {
        let now = Utc.with_ymd_and_hms(2013, 5, 24, 0, 0, 0).single().expect("a time");
        let url = bucket("http://127.0.0.1:9000/bucket/").signed("a b/ü+(1).png", now).expect("a URL");
        assert_eq!(url.path(), "/bucket/a%20b/%C3%BC%2B%281%29.png");
        let with_token = Bucket { session_token: Some("t/1".into()), ..bucket("http://h") };
        let url = with_token.signed("o", now).expect("a URL");
        assert!(url.query().is_some_and(|query| query.contains("&X-Amz-Security-Token=t%2F1&")));
    }
}
