//! Plays incidents, some at a time, and what came of each.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};

use crate::frame::Incident;
use crate::harness::Stage;
use crate::page;

/// An incident: its number in the list, the name of its page, and what happens.
pub struct Play {
    pub number: u32,
    pub name: &'static str,
    pub title: &'static str,
    pub act: for<'a> fn(&'a Incident<'a>) -> LocalBoxFuture<'a, ()>,
}

/// What came of it.
#[derive(Default)]
pub struct Record {
    pub number: u32,
    pub title: &'static str,
    /// Since the fault was there.
    pub since: Option<Instant>,
    /// Until the cause stood on the screen.
    pub seconds: Option<f64>,
    pub commands: u32,
    pub untrue: Vec<String>,
    /// What did not come to its right end.
    pub failed: Vec<String>,
    /// All screens that were looked at.
    pub seen: Vec<String>,
    /// The last screen of a resource.
    pub screen: String,
    pub page: String,
}

impl Record {
    /// What must not be, one line each.
    pub fn broken(&self) -> Vec<String> {
        let of = |what: &str, text: &str| format!("incident {}, {what}: {text}", self.number);
        let mut all: Vec<String> = self.untrue.iter().map(|text| of("untrue", text)).collect();
        all.extend(self.failed.iter().map(|text| of("failed", text)));
        if self.seconds.is_none() {
            all.push(of("failed", "its cause was not shown"));
        }
        all
    }
}

/// Those of `DBM_INCIDENTS`, by default all.
pub fn wanted(all: &'static [Play]) -> Vec<&'static Play> {
    let text = std::env::var("DBM_INCIDENTS").unwrap_or_default();
    let numbers: Vec<u32> = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().expect("DBM_INCIDENTS is a list of numbers"))
        .collect();
    let is = |play: &&Play| numbers.is_empty() || numbers.contains(&play.number);
    all.iter().filter(is).collect()
}

/// Plays them, some at a time.
pub async fn all(plays: &[&'static Play]) -> Vec<Record> {
    let at_once = std::env::var("DBM_INCIDENTS_AT_ONCE").ok();
    let at_once = at_once.and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut records: Vec<Record> = futures::stream::iter(plays.iter().map(|play| one(play)))
        .buffer_unordered(at_once)
        .collect()
        .await;
    records.sort_by_key(|record| record.number);
    records
}

async fn one(play: &'static Play) -> Record {
    let record = Rc::new(RefCell::new(Record {
        number: play.number,
        title: play.title,
        ..Record::default()
    }));
    let inside = record.clone();
    let act = Stage::installed(async move |stage| {
        let incident = Incident {
            stage,
            record: inside,
        };
        (play.act)(&incident).await;
        incident.read_all();
        let text = incident.record.borrow().page.clone();
        let page = page::normal(stage, &text);
        if let Err(why) = page::compare(play, &page) {
            incident.record.borrow_mut().failed.push(why);
        }
    });
    if let Err(panic) = AssertUnwindSafe(act).catch_unwind().await {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let mut record = record.borrow_mut();
        record.failed.push(text.unwrap_or_default());
        eprintln!(
            "what was seen of incident {}:\n{}",
            play.number, record.page
        );
    }
    let record = std::mem::take(&mut *record.borrow_mut());
    println!("{}", page::row(&record));
    record
}
