//! A request of the operator to the API server, as scenarios speak of it.

/// What is asked of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// As RBAC calls it: get, list, watch, create, update, patch, delete.
    pub verb: String,
    /// Plural and subresource; empty for what is no resource, such as `/version`.
    pub resource: String,
    /// The object's name, where it is in the path.
    pub name: String,
    /// It changes something. The leader's Lease does not count: its renewals come by the clock.
    pub writes: bool,
}

impl Asked {
    /// Reads method, path and query.
    pub fn of(method: &str, path: &str, query: &str) -> Asked {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        // api/v1/... or apis/GROUP/VERSION/...
        let rest = match parts.first() {
            Some(&"api") => parts.get(2..),
            Some(&"apis") => parts.get(3..),
            _ => None,
        };
        let rest = rest.unwrap_or_default();
        let rest = match rest {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
            other => other,
        };
        let (plural, name, sub) = match rest {
            [plural, name, sub, ..] => (*plural, *name, *sub),
            [plural, name] => (*plural, *name, ""),
            [plural] => (*plural, "", ""),
            [] => ("", "", ""),
        };
        let has = |key: &str| query.split('&').any(|part| part == key);
        let verb = match method {
            "GET" if has("watch=true") || has("watch=1") => "watch",
            "GET" if name.is_empty() => "list",
            "GET" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            _ => "delete",
        };
        let resource = if sub.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}/{sub}")
        };
        let leader = plural == "leases" && name == "database-migration-operator";
        Asked {
            writes: method != "GET"
                && !query.contains("dryRun=All")
                && !leader
                && !plural.is_empty(),
            verb: verb.to_owned(),
            resource,
            name: name.to_owned(),
        }
    }
}

#[test]
fn requests_are_told_apart() {
    let of = |method, path, query| {
        let asked = Asked::of(method, path, query);
        format!(
            "{} {} {:?}{}",
            asked.verb,
            asked.resource,
            asked.name,
            if asked.writes { " writes" } else { "" }
        )
    };
    let jobs = "/apis/batch/v1/namespaces/shop/jobs";
    assert_eq!(of("POST", jobs, ""), "create jobs \"\" writes");
    assert_eq!(of("GET", jobs, "limit=500&watch=true"), "watch jobs \"\"");
    assert_eq!(of("GET", jobs, "limit=500"), "list jobs \"\"");
    assert_eq!(
        of("GET", "/api/v1/namespaces/shop/secrets/a", ""),
        "get secrets \"a\""
    );
    assert_eq!(
        of(
            "PUT",
            "/apis/dbops.dev/v1alpha1/namespaces/shop/databasemigrations/shop/status",
            ""
        ),
        "update databasemigrations/status \"shop\" writes"
    );
    let probe = of("POST", "/api/v1/namespaces/shop/configmaps", "&dryRun=All");
    assert_eq!(probe, "create configmaps \"\"");
    let leader =
        "/apis/coordination.k8s.io/v1/namespaces/dbm-system/leases/database-migration-operator";
    assert_eq!(
        of("PUT", leader, ""),
        "update leases \"database-migration-operator\""
    );
    assert_eq!(of("GET", "/version", ""), "list  \"\"");
}
