//! Twenty incidents, as the people on call meet them, on the operator that the chart has installed, with its default settings:
//! how long it takes until the screen shows the cause, whether the commands that it prints end the incident, and whether it says
//! anything that is not so. `make drill` plays them, and their screens are kept in docs/incidents. By hand, after
//! `make operator-up`, the images of `tests/run`, and `eval "$(local-cluster/env)"`:
//!
//!     cargo test --test incidents -- --nocapture
//!
//! `DBM_INCIDENTS="5 9"` plays some; `INSTA_UPDATE=always` writes the pages anew; `DBM_INCIDENTS_AT_ONCE` (4) is how many are
//! played at a time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Each test binary uses a part of what the stage offers.
#[allow(dead_code, unused_imports)]
#[path = "cluster/harness/mod.rs"]
mod harness;

#[path = "incidents/control.rs"]
mod control;
#[path = "incidents/decisions.rs"]
mod decisions;
#[path = "incidents/failures.rs"]
mod failures;
#[path = "incidents/frame.rs"]
mod frame;
#[path = "incidents/images.rs"]
mod images;
#[path = "incidents/locks.rs"]
mod locks;
#[path = "incidents/page.rs"]
mod page;
#[path = "incidents/plays.rs"]
mod plays;
#[path = "incidents/untrue.rs"]
mod untrue;

use plays::Play;

const TWENTY: [Play; 20] = [
    Play {
        number: 1,
        name: "image-tag",
        title: "The image's tag does not exist",
        act: |i| Box::pin(images::tag(i)),
    },
    Play {
        number: 2,
        name: "secret-key",
        title: "The Secret has its URL under another key",
        act: |i| Box::pin(images::secret_key(i)),
    },
    Play {
        number: 3,
        name: "second-database",
        title: "A migration of the second database fails (23505)",
        act: |i| Box::pin(failures::second_database(i)),
    },
    Play {
        number: 4,
        name: "down-then-corrected",
        title: "It was undone with its down.sql, and a corrected image follows",
        act: |i| Box::pin(failures::down_then_corrected(i)),
    },
    Play {
        number: 5,
        name: "lock-with-rows",
        title: "A lock outlasts the time-out of a migration that changes rows",
        act: |i| Box::pin(locks::with_rows(i)),
    },
    Play {
        number: 6,
        name: "lock-while-it-waits",
        title: "A migration waits for a lock now",
        act: |i| Box::pin(locks::while_it_waits(i)),
    },
    Play {
        number: 7,
        name: "lock-catalog-only",
        title: "A lock stops a migration of the catalog after its first statement",
        act: |i| Box::pin(locks::catalog_only(i)),
    },
    Play {
        number: 8,
        name: "marked-with-leftovers",
        title: "A failed migration is to be marked rolled back while it has left something",
        act: |i| Box::pin(failures::marked_with_leftovers(i)),
    },
    Play {
        number: 9,
        name: "down-while-locked",
        title: "The down.sql waits for a lock, too",
        act: |i| Box::pin(locks::down_while_locked(i)),
    },
    Play {
        number: 10,
        name: "reconcile-disabled",
        title: "Somebody has frozen the resource",
        act: |i| Box::pin(control::reconcile_disabled(i)),
    },
    Play {
        number: 11,
        name: "deleted-mid-run",
        title: "The resource is deleted while its migration waits for a lock",
        act: |i| Box::pin(locks::deleted_mid_run(i)),
    },
    Play {
        number: 12,
        name: "retry-and-abort-mid-run",
        title: "A retry, then an abort, while a migration runs",
        act: |i| Box::pin(control::retry_and_abort(i)),
    },
    Play {
        number: 13,
        name: "suspended",
        title: "A release does nothing: the resource is suspended",
        act: |i| Box::pin(control::suspended(i)),
    },
    Play {
        number: 14,
        name: "two-resources",
        title: "Two resources migrate one database",
        act: |i| Box::pin(control::two_resources(i)),
    },
    Play {
        number: 15,
        name: "wrong-action",
        title: "A decision that does not fit what it is about",
        act: |i| Box::pin(decisions::wrong_action(i)),
    },
    Play {
        number: 16,
        name: "baseline",
        title: "A database with tables and without a ledger",
        act: |i| Box::pin(decisions::baseline(i)),
    },
    Play {
        number: 17,
        name: "smoke-test",
        title: "A smoke test fails, and is accepted",
        act: |i| Box::pin(decisions::smoke_test(i)),
    },
    Play {
        number: 18,
        name: "password",
        title: "The password is wrong",
        act: |i| Box::pin(images::password(i)),
    },
    Play {
        number: 19,
        name: "schema-path",
        title: "The schema's path is not in the image",
        act: |i| Box::pin(images::schema_path(i)),
    },
    Play {
        number: 20,
        name: "restore-offer",
        title: "What a restore would cost",
        act: |i| Box::pin(decisions::restore_offer(i)),
    },
];

#[tokio::test]
async fn twenty_incidents() {
    let plays = plays::wanted(&TWENTY);
    let records = plays::all(&plays).await;
    page::table(&records);
    let broken: Vec<String> = records.iter().flat_map(plays::Record::broken).collect();
    assert!(broken.is_empty(), "\n  {}", broken.join("\n  "));
}
