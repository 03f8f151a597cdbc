//! The commands that create a MigrationAction: look, show, ask, create, follow.

use futures::future::join_all;
use kube::ResourceExt;
use kube::api::{ObjectMeta, PostParams};

use super::args::{
    Act, BaselineArgs, ManyAction, MigrationArgs, RestoreArgs, RetryArgs, Which, verb,
};
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::follow;
use super::page;
use super::request::{self, Wish};
use super::screen;
use super::show;
use super::terminal::{Terminal, print, say};
use super::text::{safe, safe_lines};
use super::verdict;
use crate::api::{ActionKind, DatabaseMigration, MigrationAction, MigrationActionSpec};
use crate::runtime::clock;

/// `retry`.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn retry(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &RetryArgs,
) -> Result<Exit, Failure> {
    let act = &args.many.act;
    let wish = Wish {
        force: args.force,
        ..Wish::new(ActionKind::Retry, act)
    };
    self::act(cluster, terminal, &args.many.which, wish, act).await
}

/// `accept` and `abort`.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn many(
    cluster: &Cluster,
    terminal: &Terminal,
    kind: ActionKind,
    args: &ManyAction,
) -> Result<Exit, Failure> {
    let wish = Wish::new(kind, &args.act);
    act(cluster, terminal, &args.which, wish, &args.act).await
}

/// `mark-applied`, `mark-rolled-back` and `down`.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn migration(
    cluster: &Cluster,
    terminal: &Terminal,
    kind: ActionKind,
    args: &MigrationArgs,
) -> Result<Exit, Failure> {
    let wish = Wish {
        database: args.database.clone(),
        migration: args.migration.clone(),
        force: args.force.force,
        ..Wish::new(kind, &args.act)
    };
    act(cluster, terminal, &named(&args.name), wish, &args.act).await
}

/// `restore`.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn restore(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &RestoreArgs,
) -> Result<Exit, Failure> {
    let wish = Wish {
        database: args.database.clone(),
        target: args.target.clone(),
        ..Wish::new(ActionKind::Restore, &args.act)
    };
    act(cluster, terminal, &named(&args.name), wish, &args.act).await
}

/// `baseline`.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn baseline(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &BaselineArgs,
) -> Result<Exit, Failure> {
    let wish = Wish {
        database: args.database.clone(),
        migration: Some(args.migration.clone()),
        plan: args.plan.clone(),
        force: args.force.force,
        ..Wish::new(ActionKind::Baseline, &args.act)
    };
    act(cluster, terminal, &named(&args.name), wish, &args.act).await
}

fn named(name: &str) -> Which {
    Which {
        name: Some(name.to_owned()),
        selector: None,
    }
}

async fn act(
    cluster: &Cluster,
    terminal: &Terminal,
    which: &Which,
    mut wish: Wish,
    args: &Act,
) -> Result<Exit, Failure> {
    wish.reason = wish.reason.filter(|text| request::says_something(text));
    // What can be wrong without asking the cluster is said before it is asked.
    if wish.reason.is_some() || !request::needs_reason(wish.kind) || !terminal.asks {
        request::reason(wish.kind, wish.reason.as_deref())?;
    }
    let resources = cluster.select(which).await?;
    if wish.kind == ActionKind::Restore {
        for resource in &resources {
            restorable(resource)?;
        }
    }
    let asks_reason = wish.reason.is_none() && request::needs_reason(wish.kind);
    if asks_reason {
        // The state is checked before somebody is asked for words.
        let draft = Wish {
            reason: Some("not said yet".to_owned()),
            ..wish.clone()
        };
        let drafts = specs(&resources, &draft, "-")?;
        show_cost(terminal, &resources, &drafts);
        let question = format!("Why ({} is recorded with its reason)? ", verb(wish.kind));
        wish.reason = Some(terminal.ask(&question)?);
    }
    let user = cluster.who().await?;
    let specs = specs(&resources, &wish, &user)?;
    if !asks_reason {
        show_cost(terminal, &resources, &specs);
    }
    show_down(cluster, &resources, &specs).await;
    show_before(cluster, terminal, &resources, &specs, &user);
    let word = (wish.kind == ActionKind::Restore)
        .then(|| specs.first().map(|spec| spec.database.as_str()))
        .flatten();
    terminal.confirm(args.write.yes, word)?;

    let mut created = Vec::new();
    for spec in specs {
        created.push(create(cluster, spec).await?);
    }
    if !args.stays() {
        report(args, which, &created)?;
        return Ok(Exit::Done);
    }
    let alone = created.len() == 1;
    let work = join_all(
        created
            .iter()
            .map(|action| stay(cluster, args, action, alone)),
    );
    let mut exit = Exit::Done;
    let mut ended = Vec::new();
    let mut failures = Vec::new();
    for result in work.await {
        match result {
            Ok((action, end)) => {
                ended.push(action);
                exit = exit.worst(end);
            }
            Err(failure) => failures.push(failure),
        }
    }
    report(args, which, &ended)?;
    // The first is told by the caller.
    let mut failures = failures.into_iter();
    let first = failures.next();
    for failure in failures {
        say(&failure.message);
    }
    first.map_or(Ok(exit), Err)
}

fn specs(
    resources: &[DatabaseMigration],
    wish: &Wish,
    user: &str,
) -> Result<Vec<MigrationActionSpec>, Failure> {
    resources
        .iter()
        .map(|resource| request::spec(resource, wish, user))
        .collect()
}

/// A restore needs a command to run.
fn restorable(resource: &DatabaseMigration) -> Result<(), Failure> {
    if resource.spec.rollback.restore.is_some() {
        return Ok(());
    }
    Err(Failure::human(format!(
        "{} says nothing of how to restore. Add to its spec:\n\n  rollback:\n    restore:\n      image: registry.example.com/pg-restore:1   # has the tools of your backups\n      command: [/restore.sh]                     # gets DBM_RESTORE_DATABASE, _POINT, _LSN and _TIME\n      timeout: 2h\n\nor restore by hand, then: {}",
        safe(&resource.name_any()),
        request::command(resource, "retry")
    )))
}

/// What a restore costs, before anything is asked.
fn show_cost(terminal: &Terminal, resources: &[DatabaseMigration], specs: &[MigrationActionSpec]) {
    let screens = page::screens(terminal.err, terminal.width(), resources);
    for (screen, spec) in screens.iter().zip(specs) {
        if spec.action == ActionKind::Restore {
            say(&screen::restore_cost(screen, spec));
        }
    }
}

/// What a down.sql does, before anything is asked.
async fn show_down(
    cluster: &Cluster,
    resources: &[DatabaseMigration],
    specs: &[MigrationActionSpec],
) {
    for (resource, spec) in resources.iter().zip(specs) {
        if spec.action != ActionKind::DownMigration {
            continue;
        }
        let mut stored = page::stored(cluster, resource).await.by_database;
        let text = match stored.remove(&spec.database) {
            Some(Ok(inventory)) => {
                let mut all = inventory.migrations.into_iter();
                let found = all.find(|it| it.name == spec.migration_name);
                found.and_then(|it| it.down_sql).map(|sql| safe_lines(&sql))
            }
            Some(Err(why)) => Some(format!("It cannot be shown: {}", safe(&why))),
            None => None,
        };
        if let Some(text) = text {
            say(&format!("down.sql of {}:\n", safe(&spec.migration_name)));
            for line in text.lines() {
                say(&format!("  {line}"));
            }
            say("");
        }
    }
}

/// The state of many, and what is about to be done: on standard error, so that the result stays by itself.
fn show_before(
    cluster: &Cluster,
    terminal: &Terminal,
    resources: &[DatabaseMigration],
    specs: &[MigrationActionSpec],
    user: &str,
) {
    let Some(first) = specs.first() else { return };
    let (width, style) = (terminal.width(), terminal.err);
    let screens = page::screens(style, width, resources);
    if resources.len() > 1 {
        let now = clock::now();
        say(&screen::table(resources, false, now, width, style));
    }
    let mut facts = cluster.facts.clone();
    user.clone_into(&mut facts.user);
    let what = format!("{}: {}", verb(first.action), screen::does(first.action));
    say(screen::confirmation(&screens, specs, &facts, &what).trim_end());
}

async fn create(cluster: &Cluster, spec: MigrationActionSpec) -> Result<MigrationAction, Failure> {
    let action = MigrationAction {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", spec.migration)),
            namespace: Some(cluster.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    let created = cluster
        .actions()
        .create(&PostParams::default(), &action)
        .await
        .map_err(|error| {
            let what = format!("creating the MigrationAction for {}", action.spec.migration);
            cluster.failure(&what, &error, "create migrationactions")
        })?;
    say(&format!(
        "migrationaction.dbops.dev/{} created",
        created.name_any()
    ));
    Ok(created)
}

/// Stays until the action is over, and where its run goes on, until that has settled.
async fn stay(
    cluster: &Cluster,
    args: &Act,
    created: &MigrationAction,
    alone: bool,
) -> Result<(MigrationAction, Exit), Failure> {
    let migration = &created.spec.migration;
    let lead = if alone {
        String::new()
    } else {
        format!("{}: ", safe(migration))
    };
    let status_command = format!(
        "kubectl dbm status {} -n {}",
        safe(migration),
        safe(&cluster.namespace)
    );
    let hint = format!("what was asked for stands: {status_command}");
    let work = async {
        let action = follow::action(cluster, created, &lead).await?;
        let exit = verdict::action(&action).unwrap_or(Exit::Failed);
        if exit != Exit::Done || !follow::goes_on(created.spec.action) {
            return Ok((action, exit));
        }
        let name = created.name_any();
        let news =
            |resource: &DatabaseMigration| follow::has_followed(resource, &name, &created.spec);
        let over = |resource: &DatabaseMigration| {
            let settled = verdict::settled(resource);
            settled.filter(|_| news(resource))
        };
        let (_, exit) = follow::resource(cluster, migration, &lead, news, over, None).await?;
        if exit != Exit::Done {
            say(&format!("{lead}what you can do: {status_command}"));
        }
        Ok((action, exit))
    };
    follow::within(args.timeout.as_ref(), &hint, work).await
}

/// The actions as they are, for programs; for people everything was said.
fn report(args: &Act, which: &Which, actions: &[MigrationAction]) -> Result<(), Failure> {
    let Some(format) = args.output.output else {
        return Ok(());
    };
    match actions {
        [one] if which.name.is_some() => print(&show::object(format, one)?),
        // It was created, and could not be followed to its end: that is told as an error.
        [] if which.name.is_some() => {}
        several => print(&show::list(format, several)?),
    }
    Ok(())
}
