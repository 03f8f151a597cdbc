//! Migrations that fail in the database, and what becomes of what they left.

use crate::frame::Incident;
use crate::harness::*;
use crate::images::example;

pub const SPLIT_NAME: &str = "20261122101500_split_name";
const UNIQUE_LABELS: &str = "20261124103000_unique_labels";

/// How many of these columns of a table there are.
pub async fn columns(db: &Db, table: &str, names: &str) -> i64 {
    db.number(&format!(
        "SELECT count(*) FROM information_schema.columns WHERE table_name = '{table}' AND column_name IN ({names})"
    ))
    .await
}

/// Release 1.3.0 has migrated identity and fails in tasks, after one of three statements.
async fn labels_fail(i: &Incident<'_>) -> (Db, Db) {
    let (identity, tasks) = i.stage.shop().await;
    i.released(&example("1.2.1")).await;
    i.stage.apply(&example("1.3.0")).await;
    i.stage.until_failed("shop").await;
    (identity, tasks)
}

pub async fn second_database(i: &Incident<'_>) {
    i.fault();
    // Of the fault itself, which is there when the run has ended.
    let (identity, tasks) = labels_fail(i).await;
    i.fault();
    i.until_cause(
        "shop",
        &[UNIQUE_LABELS, "23505", "Label_name_lower_key|lower"],
    )
    .await;
    i.warned("shop", "MigrationFailed").await;
    let screen = i.show("shop", 1).await;
    // What is left of it, and the query that lists the rows in its way, which the screen does not show.
    i.says(
        &screen,
        &[
            "statement 1 took effect",
            "archived_at",
            "SELECT .*lower.*GROUP BY.*HAVING",
        ],
    );
    i.truth(
        "statement 1 took effect, statement 3 did not",
        columns(&tasks, "Label", "'archived_at', 'imported_from'").await == 2,
    );
    i.truth(
        "identity keeps its migration",
        identity.applied().await.len() == 12,
    );
    let look = i.choice("shop", 0).await;
    i.ends(
        "the first choice shows the rows that refuse it",
        look.starts_with("kubectl dbm psql shop ") && look.contains("HAVING count(*) > 1"),
    );
    let command = i.choice("shop", 1).await;
    i.ends(
        "the next choice undoes it and runs it again",
        command.starts_with("kubectl dbm down shop ") && command.contains(" && kubectl dbm retry "),
    );
    i.tell("the rows that the query lists are corrected: one of each two labels gets a name of its own");
    tasks
        .run("UPDATE \"Label\" AS a SET name = a.name || ' ' || a.id FROM \"Label\" AS b WHERE lower(a.name) = lower(b.name) AND a.id > b.id")
        .await;
    i.follow(&command).await;
    i.until_well("shop").await;
    i.ends("it is applied", tasks.applied().await.len() == 10);
    i.never(&["is pending and older", "Data  +changes rows"]);
}

pub async fn down_then_corrected(i: &Incident<'_>) {
    let (identity, tasks) = labels_fail(i).await;
    i.look("shop").await;
    // The rows stay as they are: the corrected release takes them.
    let command = i.choice("shop", 2).await;
    i.fault();
    i.follow(&command).await;
    // What went back, and what did not.
    i.until_cause("shop", &["RolledBack", UNIQUE_LABELS, "identity"])
        .await;
    let screen = i.show("shop", 3).await;
    i.says(&screen, &["identity 12 of 12", "identity 1 applied"]);
    i.truth(
        "identity keeps what the run did",
        identity.applied().await.len() == 12,
    );
    let plan = i
        .typed(&format!("kubectl dbm plan shop -n {}", i.stage.namespace))
        .await;
    i.answered(&plan);
    i.says(&plan.text, &["unique_labels it failed, and was undone"]);
    i.tell("the corrected release, as any other: kubectl apply, image 1.3.1");
    i.stage.apply(&example("1.3.1")).await;
    i.until_well("shop").await;
    i.ends(
        "the corrected file is applied",
        tasks.applied().await.len() == 10,
    );
    i.never(&[
        "what the run did was undone",
        "before it came to a migration",
    ]);
}

pub async fn marked_with_leftovers(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.1.0")).await;
    i.stage.apply(&example("1.2.0")).await;
    i.stage.until_failed("shop").await;
    i.look("shop").await;
    let namespace = &i.stage.namespace;
    i.fault();
    let marked = i
        .typed(&format!(
            "kubectl dbm mark-rolled-back shop -n {namespace} --database identity --migration {SPLIT_NAME} --reason \"INC-1\""
        ))
        .await;
    i.answered(&marked);
    i.ends(
        "it is refused while something is left",
        marked.code == 1 || marked.code == 3,
    );
    i.says(&marked.text, &["first_name", "last_name", "--force"]);
    i.until_cause(
        "shop",
        &["first_name", "last_name", "took effect", SPLIT_NAME],
    )
    .await;
    let screen = i.show("shop", 1).await;
    // Statement 3 is the one that failed: nothing is in doubt, and the undo comes with its mark.
    i.says(&screen, &["--single-transaction"]);
    i.truth(
        "both columns are there",
        columns(&identity, "User", "'first_name', 'last_name'").await == 2,
    );

    i.tell("somebody forces it, without undoing anything, and retries");
    i.typed(&format!(
        "kubectl dbm mark-rolled-back shop -n {namespace} --database identity --migration {SPLIT_NAME} --reason \"INC-1\" --force"
    ))
    .await;
    i.stage.until_reason("shop", "RolledBack").await;
    let before = run_id(&i.newest("shop").await);
    i.typed(&format!("kubectl dbm retry shop -n {namespace}"))
        .await;
    i.stage
        .until("shop", "failed again", |object| {
            run_id(object) != before
                && reason(object) == "MigrationFailed"
                && holds(object, "Stalled") == Some(true)
        })
        .await;
    let screen = i.show("shop", 1).await;
    i.says(&screen, &["42701", "first_name.*(was|were) there before"]);
    i.truth(
        "both columns are still there",
        columns(&identity, "User", "'first_name', 'last_name'").await == 2,
    );
    let command = i.choice("shop", 0).await;
    i.tell("the earlier try left both columns: they are dropped by hand. The image is at fault, so it is not run again");
    identity
        .run("ALTER TABLE \"User\" DROP COLUMN first_name, DROP COLUMN last_name")
        .await;
    let (mark, _) = command.split_once(" && ").unwrap_or((&command, ""));
    i.follow(mark).await;
    i.never(&["nothing is left", "nothing of it is left"]);
    i.show("shop", 3).await;
    i.tell("the corrected release, as any other: kubectl apply, image 1.2.1");
    i.stage.apply(&example("1.2.1")).await;
    i.until_well("shop").await;
}
