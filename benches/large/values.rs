//! Bytes in memory for each byte of JSON. Each shape is parsed by a process of its own, because one that has had more
//! memory before keeps some of it.

use std::process::Command;

use sidehook::expr::json;

use super::ground::process::memory;

/// The argument with which this program measures one shape.
pub const SHAPE: &str = "--shape";

/// About so much JSON is parsed.
const BYTES: usize = 10 << 20;

type Item = fn(usize) -> String;

const SHAPES: [(&str, Item); 16] = [
    ("[{}, …]", |_| "{}".to_owned()),
    ("[[], …]", |_| "[]".to_owned()),
    ("[null, …]", |_| "null".to_owned()),
    ("numbers of a digit", |i| (i % 10).to_string()),
    ("numbers 0, 1, 2, …", |i| i.to_string()),
    ("numbers with fractions", |i| format!("{}.25", i % 10_000)),
    ("texts of a letter", |i| format!("\"{}\"", char::from(b'a' + (i % 26) as u8))),
    ("texts of 8, all different", |i| format!("\"{i:08x}\"")),
    ("texts of 40, all different", |i| format!("\"{i:040x}\"")),
    ("objects {\"a\":1}", |_| r#"{"a":1}"#.to_owned()),
    ("objects {\"a\":1,\"b\":2}", |_| r#"{"a":1,"b":2}"#.to_owned()),
    ("objects {\"id\":…,\"name\":…}", |i| format!(r#"{{"id":{i},"name":"n{i}"}}"#)),
    ("lists [1]", |_| "[1]".to_owned()),
    ("positions [13.38886,52.517037]", |_| "[13.38886,52.517037]".to_owned()),
    ("orders of a shop", order),
    ("one object of many members", |i| i.to_string()),
];

/// Measures all shapes and prints what they take.
pub fn print() {
    println!("{:<34} {:>9} {:>18} {:>18}", "10 MB of JSON", "MB", "bytes each, kept", "at the peak");
    let program = std::env::current_exe().expect("this program");
    for (name, _) in SHAPES {
        let output = Command::new(&program).args([SHAPE, name]).output().expect("it runs again");
        print!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Measures one shape and prints what it takes.
pub fn measure(name: &str) {
    let (_, item) = SHAPES.iter().find(|(known, _)| *known == name).expect("a shape");
    let mut text = String::with_capacity(BYTES + 1024);
    let is_object = name.starts_with("one object");
    text.push(if is_object { '{' } else { '[' });
    for i in 0.. {
        if i > 0 {
            text.push(',');
        }
        match is_object {
            true => text.push_str(&format!("\"key {i}\":{i}")),
            false => text.push_str(&item(i)),
        }
        if text.len() >= BYTES {
            break;
        }
    }
    text.push(if is_object { '}' } else { ']' });
    let (id, bytes) = (std::process::id(), text.len() as f64);
    std::fs::write(format!("/proc/{id}/clear_refs"), "5").expect("the process is ours");
    let before = memory(id, "VmRSS");
    let value = json::parse(text.as_bytes()).expect("JSON");
    let peak = memory(id, "VmHWM") - before;
    // The allocator gives back what it has not needed for a moment.
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(json::parse(b"[1,[2,{\"a\":[3]}]]"));
    let kept = memory(id, "VmRSS") - before;
    let each = |megabytes: f64| megabytes * 1024.0 * 1024.0 / bytes;
    println!("{name:<34} {kept:>9.0} {:>18.1} {:>18.1}", each(kept), each(peak));
    drop(value);
}

/// What an online shop sends of an order.
fn order(i: usize) -> String {
    format!(
        r#"{{"id":{id},"admin_graphql_api_id":"gid://shop/Order/{id}","created_at":"2026-11-28T07:{m:02}:00+01:00","currency":"EUR","email":"customer{i}@example.com","confirmed":true,"total_price":"{p}.95","customer":{{"id":{i},"first_name":"Ada","last_name":"Lovelace","state":"enabled","note":null,"tags":""}},"line_items":[{{"id":{l},"title":"A thing of good quality","quantity":2,"sku":"SKU-{m:04}","price":"{p}.95","taxable":true,"tax_lines":[{{"title":"VAT","rate":0.19}}],"discount_allocations":[],"properties":{{}}}}],"shipping_address":{{"address1":"Main Street {m}","city":"Berlin","zip":"10115","country_code":"DE","latitude":52.53,"longitude":13.38}},"note_attributes":[]}}"#,
        id = 5_000_000_000_000_usize + i,
        l = 9_000_000_000_000_usize + i,
        m = i % 60,
        p = i % 500,
    )
}
