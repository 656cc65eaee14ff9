//! Tokens: those of RFC 7515 as others have signed them, and what is made of their parts here to get in.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL_SAFE};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::*;
use crate::expr::json;
use crate::webhook::document::Document;

/// RFC 7515, appendix A: the claims, and the time at which they end.
const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const EXP: f64 = 1_300_819_380.0;
/// Appendix A.1.
const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const HS256: [&str; 2] =
    ["eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"];
/// Appendix A.2.
const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RS256: [&str; 2] = [
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
];
/// Appendix A.3.
const POINT: [&str; 2] =
    ["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"];
const ES256: [&str; 2] = [
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
];

const SET: &str = "https://id.example/keys";

fn token([header, signature]: [&str; 2]) -> String {
    format!("{header}.{CLAIMS}.{signature}")
}

fn config(text: &str) -> Result<Jwt, String> {
    let value = json::parse(text.as_bytes()).expect("JSON in a test");
    parse("sidehook.auth.jwt", &value).map_err(|fault| fault.text)
}

fn head(token: &str) -> Head {
    let header = ("authorization".to_owned(), format!("Bearer {token}"));
    Head { headers: vec![header], ..Head::default() }
}

/// The facts at a time in seconds.
fn at(now: f64) -> Facts {
    Facts { now: now * 1000.0, ..Facts::default() }
}

/// The facts with a set of keys.
fn with_set(keys: &str) -> Facts {
    let mut facts = at(EXP - 10.0);
    let document = Document { bytes: format!(r#"{{"keys":[{keys}]}}"#).into(), age: Duration::ZERO };
    facts.documents.insert(Url::parse(SET).expect("a URL"), document);
    facts
}

fn status(jwt: &Jwt, token: &str, facts: &Facts) -> u16 {
    jwt.admit(&head(token), None, facts).map_or_else(|refusal| refusal.status, |()| 200)
}

/// `{secret}` with the secret of the RFC, whose bytes are no text, as those of a variable could not be either: it is
/// signed anew with one that is a text.
fn hmac_token(header: &str, claims: &str, secret: &[u8]) -> String {
    let encoded = format!("{}.{}", URL_SAFE.encode(header), URL_SAFE.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, encoded.as_bytes());
    format!("{encoded}.{}", URL_SAFE.encode(tag))
}

fn hs256(claims: &str) -> String {
    hmac_token(r#"{"alg":"HS256"}"#, claims, b"s3cret")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\\n{}\\n-----END {label}-----\\n", STANDARD.encode(der))
}

/// A P-256 point in the form of a public key (RFC 5480).
fn ec_pem(point: &[u8]) -> String {
    let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hex");
    pem("PUBLIC KEY", &[&prefix, point].concat())
}

fn rfc_point() -> Vec<u8> {
    let [x, y] = POINT.map(|part| URL_SAFE.decode(part).expect("base64"));
    [&[4][..], &x, &y].concat()
}

#[test]
fn tokens_of_the_rfc_are_let_in_until_they_end() {
    let ec = format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, POINT[0], POINT[1]);
    let rsa = format!(r#"{{"kty":"RSA","n":"{MODULUS}","e":"AQAB"}}"#);
    for (algorithm, key, parts) in [("ES256", &ec, ES256), ("RS256", &rsa, RS256)] {
        let jwt = config(&format!(r#"{{"algorithms":["{algorithm}"],"jwks":"{SET}","issuer":"joe"}}"#));
        let jwt = jwt.expect("a good configuration");
        let mut facts = with_set(key);
        assert_eq!(status(&jwt, &token(parts), &facts), 200, "{algorithm}");
        facts.now = (EXP + 59.0) * 1000.0;
        assert_eq!(status(&jwt, &token(parts), &facts), 200, "{algorithm}, within the leeway");
        facts.now = (EXP + 60.0) * 1000.0;
        assert_eq!(status(&jwt, &token(parts), &facts), 401, "{algorithm}, too late");
    }
}

#[test]
fn the_signature_of_the_rfc_is_that_of_its_secret() {
    verifier::install();
    let key = DecodingKey::from_secret(&URL_SAFE.decode(SECRET).expect("base64"));
    let jwt = config(r#"{"algorithms":["HS256"],"secret":"x"}"#).expect("good");
    assert!(jwt.is_signed(&token(HS256), Algorithm::HS256, &key, (EXP - 1.0) * 1000.0));
}

#[test]
fn one_bit_changed_anywhere_is_refused() {
    let jwt = config(&format!(r#"{{"algorithms":["ES256"],"publicKey":"{}"}}"#, ec_pem(&rfc_point())));
    let (jwt, facts, token) = (jwt.expect("good"), at(EXP - 10.0), token(ES256));
    assert_eq!(status(&jwt, &token, &facts), 200);
    let last = token.len() - 1;
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // The last digit of base64 has bits that mean nothing, and must be zero.
            assert_eq!(status(&jwt, &changed, &facts), 401, "bit {bit} of byte {at} of {last}");
        }
    }
}

#[test]
fn public_keys_in_pem_are_read() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let ec =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).expect("a key");
    let der = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let ed = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
    let ed_prefix = hex::decode("302a300506032b6570032100").expect("hex");
    let ed_pem = pem("PUBLIC KEY", &[&ed_prefix, ed.public_key().as_ref()].concat());
    let modulus = URL_SAFE.decode(MODULUS).expect("base64");
    let rsa_prefix = hex::decode("3082010a0282010100").expect("hex");
    let rsa_pem = pem("RSA PUBLIC KEY", &[&rsa_prefix, &*modulus, &[2, 3, 1, 0, 1]].concat());
    let claims = URL_SAFE.encode(format!(r#"{{"exp":{EXP}}}"#));
    let ec_message = format!("{}.{claims}", URL_SAFE.encode(r#"{"alg":"ES256"}"#));
    let ec_signature = ec.sign(&random, ec_message.as_bytes()).expect("a signature");
    let ed_message = format!("{}.{claims}", URL_SAFE.encode(r#"{"alg":"EdDSA"}"#));
    let tokens = [
        format!("{ec_message}.{}", URL_SAFE.encode(ec_signature)),
        format!("{ed_message}.{}", URL_SAFE.encode(ed.sign(ed_message.as_bytes()))),
        token(RS256),
    ];
    let keys = format!(r#""{}","{ed_pem}","{rsa_pem}""#, ec_pem(ec.public_key().as_ref()));
    let all = config(&format!(r#"{{"algorithms":["ES256","EdDSA","RS256"],"publicKey":[{keys}]}}"#));
    let all = all.expect("good");
    for token in &tokens {
        assert_eq!(status(&all, token, &at(EXP - 10.0)), 200, "{token}");
    }
    let some = config(&format!(r#"{{"algorithms":["EdDSA","RS256"],"publicKey":[{keys}]}}"#));
    assert!(some.is_err_and(|fault| fault.contains("publicKey")), "a key that no algorithm is for");
}

#[test]
fn the_algorithm_is_that_of_the_configuration_and_of_the_key() {
    let pem_text = ec_pem(&rfc_point());
    let jwt = config(&format!(r#"{{"algorithms":["ES256"],"publicKey":"{pem_text}"}}"#)).expect("good");
    let claims = format!(r#"{{"exp":{EXP}}}"#);
    // What everybody knows, as if it were a secret.
    for secret in [pem_text.replace("\\n", "\n").into_bytes(), rfc_point()] {
        let forged = hmac_token(r#"{"alg":"HS256"}"#, &claims, &secret);
        assert_eq!(status(&jwt, &forged, &at(EXP - 10.0)), 401);
    }
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = format!(r#"{{"alg":"{none}"}}"#);
        let unsigned = format!("{}.{}.", URL_SAFE.encode(header), URL_SAFE.encode(&claims));
        assert_eq!(status(&jwt, &unsigned, &at(EXP - 10.0)), 401, "{none}");
    }
    let hmac = config(r#"{"algorithms":["HS256"],"secret":["old","s3cret"]}"#).expect("good");
    assert_eq!(status(&hmac, &hs256(&claims), &at(EXP)), 200);
    let other = hmac_token(r#"{"alg":"HS512"}"#, &claims, b"s3cret");
    assert_eq!(status(&hmac, &other, &at(EXP)), 401);
    let critical = hmac_token(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &claims, b"s3cret");
    assert_eq!(status(&hmac, &critical, &at(EXP)), 401);
    // A key of the set that is a secret for everybody.
    let set = config(&format!(r#"{{"algorithms":["ES256"],"jwks":"{SET}"}}"#)).expect("good");
    let oct = r#"{"kty":"oct","k":"czNjcmV0"}"#;
    assert_eq!(status(&set, &hs256(&claims), &with_set(oct)), 401);
}

#[test]
fn times_issuer_and_audience_count() {
    let plain = config(r#"{"algorithms":["HS256"],"secret":"s3cret","leeway":0}"#).expect("good");
    for (claims, expected) in [
        (r#"{"exp":1001}"#, 200),
        (r#"{"exp":1000.5}"#, 200),
        (r#"{"exp":1000}"#, 401),
        (r#"{"exp":2000,"nbf":1000}"#, 200),
        (r#"{"exp":2000,"nbf":1001}"#, 401),
        (r#"{"exp":2000,"nbf":"999"}"#, 401),
        (r#"{"exp":"2000"}"#, 401),
        (r#"{"exp":null}"#, 401),
        (r#"{"exp":-1}"#, 401),
        (r#"{"exp":1e400}"#, 401),
        ("{}", 401),
        ("[]", 401),
        (r#"{"exp":2000,"aud":"whoever","iss":"whoever"}"#, 200),
    ] {
        assert_eq!(status(&plain, &hs256(claims), &at(1000.0)), expected, "{claims}");
    }
    let strict = config(
        r#"{"algorithms":["HS256"],"secret":"s3cret","issuer":["a","b"],"audience":"hook","leeway":"10s"}"#,
    );
    let strict = strict.expect("good");
    for (claims, expected) in [
        (r#"{"exp":991,"iss":"b","aud":"hook"}"#, 200),
        (r#"{"exp":990,"iss":"b","aud":"hook"}"#, 401),
        (r#"{"exp":2000,"iss":"b","aud":["x","hook"]}"#, 200),
        (r#"{"exp":2000,"iss":"c","aud":"hook"}"#, 401),
        (r#"{"exp":2000,"iss":"b","aud":"other"}"#, 401),
        (r#"{"exp":2000,"iss":"b","aud":[]}"#, 401),
        (r#"{"exp":2000,"aud":"hook"}"#, 401),
        (r#"{"exp":2000,"iss":"b"}"#, 401),
        (r#"{"exp":2000,"iss":5,"aud":"hook"}"#, 401),
    ] {
        assert_eq!(status(&strict, &hs256(claims), &at(1000.0)), expected, "{claims}");
    }
}

#[test]
fn a_set_is_wanted_for_tokens_and_anew_for_a_key_that_it_lacks() {
    let jwt = config(&format!(r#"{{"algorithms":["ES256"],"jwks":"{SET}"}}"#)).expect("good");
    let named = |id: &str| format!("{}.e30.x", URL_SAFE.encode(format!(r#"{{"alg":"ES256","kid":"{id}"}}"#)));
    let wanted = |token: &str, facts: &Facts| -> Vec<u64> {
        jwt.documents(&head(token), None, facts).iter().map(|wanted| wanted.max_age.as_secs()).collect()
    };
    assert_eq!(wanted(&named("a"), &at(0.0)), [600]);
    for none in ["", "x", "a.b.c", &hs256("{}")] {
        assert_eq!(wanted(none, &at(0.0)), [0; 0], "{none}");
    }
    let key =
        |more: &str| format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"{more}}}"#, POINT[0], POINT[1]);
    let unreadable = r#"{"kty":"EC"}, 5, {"kty":"none"}"#;
    let facts = with_set(&format!("{unreadable}, {}", key(r#","kid":"a","alg":"ES256","use":"sig""#)));
    assert_eq!((wanted(&named("a"), &facts), wanted(&named("b"), &facts)), (vec![600], vec![60]));
    assert_eq!(status(&jwt, &token(ES256), &facts), 200, "a token that names no key");
    for unfit in [r#","use":"enc""#, r#","alg":"ES384""#] {
        assert_eq!(status(&jwt, &token(ES256), &with_set(&key(unfit))), 401, "{unfit}");
    }
    for broken in ["5", "\"\""] {
        let mut facts = at(EXP - 10.0);
        let document = Document { bytes: broken.into(), age: Duration::ZERO };
        facts.documents.insert(Url::parse(SET).expect("a URL"), document);
        assert_eq!(status(&jwt, &token(ES256), &facts), 503, "{broken}");
    }
}

#[test]
fn what_is_missing_on_this_side_refuses_everyone() {
    for config_text in [
        r#"{"algorithms":["HS256"],"secret":["s3cret","{{$env.NONE}}"]}"#,
        r#"{"algorithms":["ES256"],"publicKey":"{{$env.NONE}}"}"#,
    ] {
        let jwt = config(config_text).expect("good");
        for token in ["", "x", &hs256(r#"{"exp":2000}"#)] {
            assert_eq!(status(&jwt, token, &at(1000.0)), 503, "{config_text}");
        }
        assert_eq!(jwt.secrets().iter().filter_map(|secret| secret.variable()).collect::<Vec<_>>(), ["NONE"]);
    }
}

#[test]
fn other_configurations_are_faults() {
    for (text, place) in [
        ("true", ""),
        (r#"{"secret":"a"}"#, ".algorithms"),
        (r#"{"algorithms":[],"secret":"a"}"#, ".algorithms"),
        (r#"{"algorithms":["none"],"secret":"a"}"#, ".algorithms"),
        (r#"{"algorithms":["HS256","RS256"],"secret":"a"}"#, ".algorithms"),
        (r#"{"algorithms":["HS256"],"jwks":"https://a.example"}"#, ".algorithms"),
        (r#"{"algorithms":["HS256"]}"#, ""),
        (r#"{"algorithms":["HS256"],"secret":"a","publicKey":"b"}"#, ""),
        (r#"{"algorithms":["RS256"],"jwks":"ftp://a.example"}"#, ".jwks"),
        (r#"{"algorithms":["RS256"],"jwks":"a.example"}"#, ".jwks"),
        (r#"{"algorithms":["RS256"],"publicKey":"a"}"#, ".publicKey"),
        (r#"{"algorithms":["HS256"],"secret":"a","leeway":-1}"#, ".leeway"),
        (r#"{"algorithms":["HS256"],"secret":"a","issuer":5}"#, ".issuer"),
        (r#"{"algorithms":["HS256"],"secret":"a","audience":[]}"#, ".audience"),
        (r#"{"algorithms":["HS256"],"secret":"a","aud":"x"}"#, ".aud"),
    ] {
        let fault = config(text).expect_err(text);
        assert!(fault.starts_with(&format!("`sidehook.auth.jwt{place}` of its trigger ")), "{text}: {fault}");
    }
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let jwt = config(r#"{"algorithms":["HS256"],"secret":"hunter2"}"#).expect("good");
    assert!(!format!("{jwt:?}").contains("hunter2"));
}
