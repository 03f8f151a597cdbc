//! Databases whose server takes connections and says nothing, beside one that works.

use futures::{StreamExt, stream};
use tokio::net::TcpListener;

use crate::bad_input::{small, until_said};
use crate::harness::*;

/// Eight at a time, they would be waited for half a minute each, longer than a test may take.
const UNANSWERED: usize = 60;

#[tokio::test]
async fn databases_that_do_not_answer_leave_the_others_their_time() {
    Stage::with(async |stage| {
        // Nobody accepts: the kernel lets everybody in, and that is all.
        let silent = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let url = format!("postgresql://nobody:none@{NODE}:{port}/none?connect_timeout=30");
        stage.secret("silent", &[("DATABASE_URL", &url)]).await;
        stream::iter(0..UNANSWERED)
            .for_each_concurrent(8, async |number| {
                stage
                    .apply(&small(&format!("silent-{number}"), "silent"))
                    .await;
            })
            .await;
        let db = stage.database(Server::Identity, "works").await;
        stage.apply(&small("works", &db.secret)).await;
        stage.until_ready("works").await;
        until_said(stage, "silent-0", "Unreachable", &["30 s"]).await;
        drop(silent);
    })
    .await;
}
