//! What is merged into which variable, and what is refused.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::inventory::schema::Datasource;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn request() -> ExecRequest {
    ExecRequest {
        env_var: "DATABASE_URL".into(),
        application_name: "dbm".into(),
        lock_timeout_ms: 5,
        ..ExecRequest::default()
    }
}

fn project(url: Setting, direct_url: Setting) -> Project {
    Project {
        datasource: Datasource {
            provider: None,
            url,
            direct_url,
            ..Datasource::default()
        },
        ..Project::default()
    }
}

/// Its schema says nothing of the connection.
fn project_7() -> Project {
    project(Setting::Unset, Setting::Unset)
}

fn merge(
    variables: &mut Variables,
    request: &ExecRequest,
    project: Option<&Project>,
) -> Result<Option<String>, Refusal> {
    merge_connections(variables, request, project, &[])
}

fn variable(name: &str) -> Setting {
    Setting::Variable(name.into())
}

#[test]
fn the_lock_stays_on() {
    for (value, refused) in [
        ("1", true),
        ("true", true),
        ("false", true),
        ("0", false),
        ("", false),
    ] {
        assert_eq!(
            check_lock(&variables(&[(NO_LOCK, value)])).is_err(),
            refused,
            "{value}"
        );
    }
    assert_eq!(check_lock(&variables(&[])), Ok(()));
}

#[test]
fn merges_into_what_prisma_migrates_by() {
    let mut environment = variables(&[
        ("DATABASE_URL", "postgres://u:p@h/d"),
        ("DIRECT", "postgres://migrator:p@H:5432/d"),
        ("POOLED", "postgres://p/d?pgbouncer=true"),
    ]);
    let by_direct = project(variable("POOLED"), variable("DIRECT"));
    let migrates_by = merge(&mut environment, &request(), Some(&by_direct)).unwrap();
    assert_eq!(migrates_by.as_deref(), Some("DIRECT"));
    let merged = "?application_name=dbm&options=-c%20lock_timeout%3D5";
    assert_eq!(
        environment[OsStr::new("DATABASE_URL")],
        *format!("postgres://u:p@h/d{merged}")
    );
    assert_eq!(
        environment[OsStr::new("DIRECT")],
        *format!("postgres://migrator:p@H:5432/d{merged}")
    );
    assert_eq!(
        environment[OsStr::new("POOLED")],
        *"postgres://p/d?pgbouncer=true",
        "nobody migrates by it, and a pooler would refuse the options"
    );
}

/// By which of them Prisma migrates, its version and its configuration decide: all that are set get the settings.
#[test]
fn merges_into_every_variable_that_prisma_may_migrate_by() {
    let set = [
        ("DATABASE_URL", "postgres://u:p@h/d\n"),
        ("DIRECT_URL", " postgres://u:p@h/d\r\n"),
        ("URL", "postgres://u:p@h/d"),
        ("OTHER", "postgres://u:p@h/d"),
        ("NONE", "mysql://u:p@h/d"),
    ];
    let by_direct = project(variable("URL"), variable("DIRECT_URL"));
    let by_url = project(variable("URL"), Setting::Unset);
    let by_code = |project: &Project| Project {
        has_config: true,
        ..project.clone()
    };
    let named = ["OTHER".to_owned(), "NONE".to_owned()];
    let own: &[&str] = &["DATABASE_URL"];
    for (named, project, expected) in [
        (
            &[][..],
            Some(&by_direct),
            &["DATABASE_URL", "DIRECT_URL", "URL"][..],
        ),
        (&[], Some(&by_url), &["DATABASE_URL", "URL"]),
        (
            &named,
            Some(&by_code(&by_direct)),
            &["DATABASE_URL", "DIRECT_URL", "OTHER", "URL"],
        ),
        (
            &named,
            Some(&by_code(&project_7())),
            &["DATABASE_URL", "OTHER"],
        ),
        (&[], Some(&project_7()), own),
        (&[], None, own),
    ] {
        let mut environment = variables(&set);
        merge_connections(&mut environment, &request(), project, named).unwrap();
        let merged = "postgres://u:p@h/d?application_name=dbm&options=-c%20lock_timeout%3D5";
        let found: Vec<&str> = environment
            .iter()
            .filter(|(_, value)| **value == *merged)
            .map(|(name, _)| name.to_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{named:?} {project:?}");
        assert_eq!(environment.len(), set.len());
    }
}

#[test]
fn connection_strings_of_others_are_trimmed_and_nothing_else_is() {
    let mut environment = variables(&[
        ("IDENTITY_DATABASE_URL", "postgres://u:p@h/d\n"),
        ("PRIVATE_KEY", "-----BEGIN\n"),
        ("PLAIN", "postgres://u:p@h/d\n"),
    ]);
    let request = ExecRequest {
        secret_variables: vec![
            "IDENTITY_DATABASE_URL".into(),
            "PRIVATE_KEY".into(),
            "X".into(),
        ],
        ..ExecRequest::default()
    };
    trim_connections(&mut environment, &request);
    assert_eq!(
        environment[OsStr::new("IDENTITY_DATABASE_URL")],
        *"postgres://u:p@h/d"
    );
    assert_eq!(environment[OsStr::new("PRIVATE_KEY")], *"-----BEGIN\n");
    assert_eq!(environment[OsStr::new("PLAIN")], *"postgres://u:p@h/d\n");
}

#[test]
fn refuses_another_database() {
    let environment = || variables(&[("DATABASE_URL", "postgres://u:p@h/d")]);
    let by_direct = project(variable("DATABASE_URL"), variable("DIRECT_URL"));
    let Err(Refusal::Problem(Problem { reason, message })) =
        merge(&mut environment(), &request(), Some(&by_direct))
    else {
        panic!()
    };
    assert_eq!(reason, ProblemReason::DatasourceVariableUnset);
    assert!(
        message.contains("DIRECT_URL")
            && message.contains("databases[].envVar")
            && message.contains("databases[].env"),
        "{message}"
    );
    let literal = project(Setting::Literal, Setting::Unset);
    for project in [&literal, &by_direct] {
        let refused = merge(&mut environment(), &request(), Some(project));
        assert!(refused.is_err(), "{project:?}");
        // An adapter is given its connection by the configuration's code.
        let by_code = Project {
            has_config: true,
            ..project.clone()
        };
        let taken = merge(&mut environment(), &request(), Some(&by_code));
        assert_eq!(taken.unwrap().as_deref(), Some("DATABASE_URL"));
    }
    let taken = merge(&mut environment(), &request(), Some(&project_7()));
    assert_eq!(taken.unwrap().as_deref(), Some("DATABASE_URL"));
}

/// What is watched and what would be migrated are two databases: nothing is started, and no value is told.
#[test]
fn refuses_to_migrate_what_is_not_watched() {
    let by_direct = project(variable("DATABASE_URL"), variable("DIRECT_URL"));
    let by_url = project(variable("DIRECT_URL"), Setting::Unset);
    for (direct, part) in [
        ("postgres://u:p@h/other", "leads to another database than"),
        (
            "postgres://u:p@there/d",
            "leads to another host or port than",
        ),
        ("postgres://u:p@h:6/d", "leads to another host or port than"),
        (
            "postgres://u:p@h/d?schema=tenant",
            "leads to another schema of the database than",
        ),
    ] {
        let set = [
            ("DATABASE_URL", "postgres://u:p@h/d"),
            ("DIRECT_URL", direct),
        ];
        for (project, setting) in [(&by_direct, "directUrl of"), (&by_url, "is url of")] {
            let Err(Refusal::ConnectionInvalid(message)) =
                merge(&mut variables(&set), &request(), Some(project))
            else {
                panic!("{direct}")
            };
            for part in [
                part,
                setting,
                "DIRECT_URL",
                "DATABASE_URL, which",
                "databases[].envVar",
            ] {
                assert!(message.contains(part), "{part}: {message}");
            }
            for part in ["://", "there", "tenant", "other "] {
                assert!(
                    !message.replace("another ", "").contains(part),
                    "{part}: {message}"
                );
            }
            // Named as the one that is watched, it is.
            let named = ExecRequest {
                env_var: "DIRECT_URL".into(),
                ..request()
            };
            let taken = merge(&mut variables(&set), &named, Some(project));
            assert_eq!(taken.unwrap().as_deref(), Some("DIRECT_URL"));
        }
        // Prisma migrates by url here, and does not look at the other one.
        let by_own = project(variable("DATABASE_URL"), Setting::Unset);
        assert!(merge(&mut variables(&set), &request(), Some(&by_own)).is_ok());
    }
}

#[test]
fn a_missing_or_wrong_connection() {
    let Err(Refusal::ConnectionInvalid(message)) = merge(&mut variables(&[]), &request(), None)
    else {
        panic!()
    };
    assert_eq!(
        message,
        "the variable DATABASE_URL is not set (databases[].envVar names it)"
    );
    assert!(
        merge(
            &mut variables(&[("DATABASE_URL", "mysql://h")]),
            &request(),
            None
        )
        .is_err()
    );
    assert_eq!(
        merge(&mut variables(&[]), &ExecRequest::default(), None),
        Ok(None),
        "none is asked for"
    );
}

#[test]
fn defaults() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let mut environment = variables(&[("HOME", home), ("NO_COLOR", "")]);
    add_defaults(&mut environment, "");
    assert_eq!(environment[OsStr::new("HOME")], *home);
    assert_eq!(environment[OsStr::new("NO_COLOR")], *"");
    assert_eq!(environment[OsStr::new("CHECKPOINT_DISABLE")], *"1");
    let mut environment = variables(&[("HOME", "/nowhere/at/all")]);
    add_defaults(&mut environment, "/ca.crt");
    assert_eq!(environment[OsStr::new("HOME")], *"/tmp");
    assert_eq!(environment[OsStr::new("NODE_EXTRA_CA_CERTS")], *"/ca.crt");
}

/// By what a configuration's code connects is certain where nothing that it names leads elsewhere.
#[test]
fn what_code_may_connect_by() {
    let code = |named: &[&str], plain: bool, sets: bool| Code {
        named: named.iter().map(|name| (*name).to_owned()).collect(),
        plain,
        sets,
    };
    let own = ("DATABASE_URL", "postgres://u:p@h/d");
    for (set, code, certain) in [
        (&[own][..], code(&["DATABASE_URL"], true, false), true),
        (&[own], code(&["DATABASE_URL"], true, true), true),
        (&[own], code(&["DATABASE_URL"], false, false), false),
        (&[own], code(&[], true, false), false),
        (&[own], code(&["DIRECT_URL"], true, false), false),
        (
            &[own],
            code(&["DIRECT_URL", "DATABASE_URL"], true, false),
            true,
        ),
        (
            &[own],
            code(&["DIRECT_URL", "DATABASE_URL"], true, true),
            false,
        ),
        (
            &[own, ("DIRECT_URL", "postgres://u:p@h/d?x=y")],
            code(&["DIRECT_URL", "DATABASE_URL"], true, false),
            true,
        ),
        (
            &[own, ("DIRECT_URL", "postgres://u:p@h/other")],
            code(&["DIRECT_URL", "DATABASE_URL"], true, false),
            false,
        ),
        (
            &[own, ("WHOLE", "true"), ("MAX", "1")],
            code(&["DATABASE_URL", "WHOLE", "MAX"], true, false),
            true,
        ),
        (
            &[own, ("DB_NAME", "other")],
            code(&["DATABASE_URL", "DB_NAME"], true, false),
            false,
        ),
    ] {
        let found = is_certain(&variables(set), &request(), &code);
        assert_eq!(found, certain, "{code:?}");
    }
}
