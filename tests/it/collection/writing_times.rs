//! Writing dates and times.

use serde_json::json;

use crate::databases::Kind;
use crate::records::{Records, plain};
use crate::server::on_every_database;

#[tokio::test]
async fn empty_dates_are_refused_in_the_words_of_moment() {
    on_every_database(async |database| {
        let fields = json!([{"name": "at", "type": "date"}, {"name": "day", "type": "dateOnly"}]);
        let records = Records::create(&database, &[plain("days", fields)]).await;
        for (values, kind) in [(json!({"at": ""}), "timestamp with time zone"), (json!({"day": ""}), "date")]
        {
            let made = records.create_one("days", values).await;
            match database.kind {
                Kind::Postgres => {
                    let message = format!("invalid input syntax for type {kind}: \"Invalid date\"");
                    assert_eq!(made.expect_err("it is refused").message, message);
                }
                Kind::Mysql => assert!(made.is_err()),
                Kind::Sqlite => drop(made.expect("SQLite keeps any text")),
            }
        }
        records.create_one("days", json!({"at": 0, "day": 0})).await.expect("it is created");
        let all = records.all("days").await;
        let last = all.as_array().and_then(|all| all.last()).expect("a record");
        assert_eq!((&last["at"], &last["day"]), (&json!("1970-01-01T00:00:00.000Z"), &json!("1970-01-01")));
    })
    .await;
}

#[tokio::test]
async fn dates_are_in_the_zones_that_they_name_or_their_fields_do() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "at", "type": "date"},
            {"name": "there", "type": "datetimeTz", "timezone": "+08:00"},
            {"name": "wall", "type": "datetimeNoTz"},
            {"name": "day", "type": "dateOnly"},
            {"name": "clock", "type": "time"},
            {"name": "unix", "type": "unixTimestamp"},
            {"name": "ms", "type": "unixTimestamp", "accuracy": "millisecond"},
            {"name": "made", "type": "date", "defaultToCurrentTime": true},
            {"name": "touched", "type": "date", "onUpdateToCurrentTime": true},
        ]);
        let records = Records::create(&database, &[plain("dates", fields)]).await;
        let given = [
            json!({"at": "2024-02-29 10:20:30", "there": "2024-02-29 10:20:30", "wall": "2024-02-29 10:20:30",
                   "day": "2024-02-29T23:00:00.000Z", "clock": "10:20:30", "unix": "2024-02-29T10:00:00.000Z",
                   "ms": "2024-02-29T10:00:00.123Z", "made": "2020-01-01T00:00:00.000Z"}),
            json!({"at": "2024-02-29T10:20:30+02:00", "wall": "2024-02-29T10:20:30.400Z", "day": "2024-02-29 01:00:00",
                   "unix": 1_709_200_800, "ms": 1_709_200_800_123_i64}),
            json!({"at": 1_709_200_800_000_i64, "wall": null, "day": null, "unix": null}),
        ];
        for row in given {
            records.create_one("dates", row).await.expect("it is created");
        }
        let all = records.all("dates").await;
        let now = "2026-11-22T20:30:00.123Z";
        let first = json!({"id": 1, "at": "2024-02-29T10:20:30.000Z", "there": "2024-02-29T02:20:30.000Z",
                           "wall": "2024-02-29 10:20:30", "day": "2024-02-29", "clock": "10:20:30",
                           "unix": "2024-02-29T10:00:00.000Z", "ms": "2024-02-29T10:00:00.123Z",
                           "made": "2020-01-01T00:00:00.000Z", "touched": now});
        assert_eq!(all[0], first, "{}", database.kind);
        assert_eq!(all[1]["at"], "2024-02-29T08:20:30.000Z");
        assert_eq!(all[1]["wall"], "2024-02-29 10:20:30");
        assert_eq!(all[1]["day"], "2024-02-29");
        assert_eq!((&all[1]["unix"], &all[1]["ms"]), (&first["unix"], &first["ms"]));
        assert_eq!(all[1]["made"], now);
        assert_eq!(all[2]["at"], "2024-02-29T10:00:00.000Z");
        records.clock.set(1_795_379_460_000);
        assert_eq!(records.update("dates", json!({"id": 1}), json!({"clock": "11:00:00"})).await, Ok(1));
        let all = records.all("dates").await;
        assert_eq!((&all[0]["made"], &all[0]["touched"]), (&first["made"], &json!("2026-11-22T20:31:00.000Z")));
    })
    .await;
}

#[tokio::test]
async fn times_are_those_of_the_writing() {
    on_every_database(async |database| {
        let payload = json!({"name": "notes", "fields": [{"name": "body", "type": "string"}]});
        let records = Records::create(&database, &[payload]).await;
        records.create_one("notes", json!({"body": "a"})).await.expect("it is created");
        records.create_one("notes", json!({"createdAt": "2020-01-01T00:00:00.000Z"})).await.expect("created");
        // MySQL keeps whole seconds in columns that NocoBase adds by itself.
        let now = match database.kind {
            Kind::Mysql => "2026-11-22T20:30:00.000Z",
            _ => "2026-11-22T20:30:00.123Z",
        };
        let all = records.all("notes").await;
        assert_eq!((all[0]["createdAt"].as_str(), all[0]["updatedAt"].as_str()), (Some(now), Some(now)));
        assert_eq!(all[1]["createdAt"], "2020-01-01T00:00:00.000Z");
        records.clock.set(1_795_379_460_000);
        let update = json!({"body": "b", "createdAt": "2021-01-01T00:00:00.000Z"});
        assert_eq!(records.update("notes", json!({"id": [1, 2]}), update).await, Ok(2));
        assert_eq!(records.update("notes", json!({"id": 2}), json!({"body": "b"})).await, Ok(1));
        let all = records.all("notes").await;
        assert_eq!(all[0]["createdAt"], now, "the time of creation stays");
        assert_eq!(all[0]["updatedAt"], "2026-11-22T20:31:00.000Z");
        records.clock.set(1_795_379_520_000);
        assert_eq!(records.update("notes", json!({"id": 1}), json!({"body": "b"})).await, Ok(1));
        assert_eq!(
            records.all("notes").await[0]["updatedAt"],
            "2026-11-22T20:31:00.000Z",
            "nothing has changed"
        );
    })
    .await;
}
