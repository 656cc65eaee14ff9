//! Compressed bodies, and what bombs among them cost a server whose memory nothing else uses.

use std::io::Write;

use entity::Table;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};

/// What the bombs come to.
const BOMB: usize = 128 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

/// Bombs with the names of their encodings. That of brotli comes to 16 MB, and was made by `brotliCompressSync` of
/// Node.js 20; the last one is packed twice.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = vec![0; BOMB];
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&zeros).expect("written");
    let zlib = zlib.finish().expect("finished");
    let brotli = vec![
        203, 255, 255, 63, 248, 37, 64, 226, 177, 64, 32, 247, 254, 47, 255, 255, 255, 240, 75, 0, 196, 97,
        17, 128, 238, 253, 31,
    ];
    let zstd = ruzstd::encoding::compress_to_vec(&*zeros, ruzstd::encoding::CompressionLevel::Fastest);
    let gzip_once = gzip(&zeros);
    let twice = gzip(&gzip_once);
    vec![("gzip", gzip_once), ("deflate", zlib), ("br", brotli), ("zstd", zstd), ("gzip, gzip", twice)]
}

#[tokio::test]
async fn bombs_cost_a_refusal_and_no_more_memory_than_their_limit() {
    const LIMIT: &str = "4mb";
    const AT_A_TIME: usize = 50;
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let answer = node("answer", "response", json!({"body": "{{$context.data}}"}));
    rows.add(&workflow("k", true, &json!({}), &[answer])).await;
    let process = Process::serve(&database, &[("REQUEST_BODY_LIMIT", LIMIT)]).await;
    let (client, url) = (client(), process.trigger_url("k"));
    let post = async |encoding: &str, body: Vec<u8>| {
        let request = client.post(&url).header("content-type", "application/json");
        request.header("content-encoding", encoding).body(body).send().await.expect("an answer")
    };
    let before = process.peak_memory();
    for (encoding, bomb) in bombs() {
        let answers = join_all((0..AT_A_TIME).map(|_| post(encoding, bomb.clone()))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        statuses.dedup();
        assert_eq!(statuses, [413], "{encoding}");
    }
    let grown = process.peak_memory() - before;
    // All 250 of them take less than two would.
    assert!(grown < 2 * BOMB as u64, "{} MB more", grown >> 20);
    let answered: Value = post("gzip", gzip(b"[1]")).await.json().await.expect("JSON");
    assert_eq!(answered, json!([1]));
    assert_eq!(rows.count(Table::Executions).await, 1);
}
