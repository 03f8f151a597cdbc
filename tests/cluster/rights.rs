//! Who may make which MigrationAction: the chart's roles and its policy, and the CRD's own rules, on a real API server.

use database_migration_operator::api::{DatabaseMigration, MigrationAction};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::*;

/// Every action with what it needs, and the verb that it needs.
fn actions() -> Vec<(&'static str, &'static str, Value)> {
    let row = json!({"database": "identity", "migrationName": "0_init", "ledgerRow": "row-1"});
    let down = json!({"database": "identity", "migrationName": "0_init"});
    let baseline = json!({"database": "identity", "migrationName": "0_init", "planHash": "9f2c"});
    let restore = json!({"database": "identity", "target": {"restorePoint": "dbm-r1"}});
    vec![
        ("Retry", "update", json!({})),
        ("Abort", "update", json!({})),
        ("AcceptValidation", "approve", json!({})),
        ("MarkApplied", "recover", row.clone()),
        ("MarkRolledBack", "recover", row),
        ("DownMigration", "recover", down),
        ("Baseline", "recover", baseline),
        ("Restore", "restore", restore),
    ]
}

/// An action of the resource `shop`.
fn action(kind: &str, requested_by: &str, more: &Value) -> MigrationAction {
    let mut spec = json!({
        "migration": "shop", "run": "r1-0", "action": kind, "requestedBy": requested_by, "reason": "a test",
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    object(json!({"metadata": {"generateName": "shop-"}, "spec": spec}))
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// Somebody, as the API server knows them.
struct Account {
    name: String,
    client: Client,
    namespace: String,
}

impl Account {
    /// The client's own user.
    async fn own(stage: &Stage) -> Account {
        let review = Api::<SelfSubjectReview>::all(stage.client.clone())
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .unwrap();
        let user = review.status.unwrap().user_info.unwrap();
        Account {
            name: user.username.unwrap(),
            client: stage.client.clone(),
            namespace: stage.namespace.clone(),
        }
    }

    async fn impersonated(stage: &Stage, name: &str) -> Account {
        let mut config = Config::infer().await.unwrap();
        config.auth_info.impersonate = Some(name.to_owned());
        Account {
            name: name.to_owned(),
            client: Client::try_from(config).unwrap(),
            namespace: stage.namespace.clone(),
        }
    }

    /// A user with this role in the namespace.
    async fn user(stage: &Stage, name: &str, kind: &str, role: &str) -> Account {
        let subject =
            json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name});
        bind(stage, name, kind, role, subject).await;
        Account::impersonated(stage, name).await
    }

    /// A ServiceAccount with this ClusterRole in the namespace.
    async fn service_account(stage: &Stage, name: &str, role: &str) -> Account {
        stage
            .api::<ServiceAccount>()
            .create(
                &PostParams::default(),
                &object(json!({"metadata": {"name": name}})),
            )
            .await
            .unwrap();
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": stage.namespace});
        bind(stage, name, "ClusterRole", role, subject).await;
        let full = format!("system:serviceaccount:{}:{name}", stage.namespace);
        Account::impersonated(stage, &full).await
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn may(&self, verb: &str, resource: &str) -> bool {
        let review = object(json!({"spec": {"resourceAttributes": {
            "namespace": self.namespace, "group": "dbops.dev", "resource": resource, "verb": verb, "name": "shop",
        }}}));
        Api::<SelfSubjectAccessReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await
            .unwrap()
            .status
            .unwrap()
            .allowed
    }

    /// Waits until a binding that was just made is known to the API server.
    async fn until_may(self, verb: &str, resource: &str) -> Account {
        let known = tokio::time::timeout(LIMIT, async {
            while !self.may(verb, resource).await {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        let what =
            "may not even after a while; are the chart's roles installed (make operator-up)?";
        assert!(
            known.await.is_ok(),
            "{}: {verb} {resource} {what}",
            self.name
        );
        self
    }

    /// What the API server says to this action.
    async fn asks(&self, action: &MigrationAction) -> Result<MigrationAction, String> {
        said(
            self.api::<MigrationAction>()
                .create(&PostParams::default(), action)
                .await,
        )
    }
}

fn said<T>(result: kube::Result<T>) -> Result<T, String> {
    result.map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("{other}"),
    })
}

async fn bind(stage: &Stage, name: &str, kind: &str, role: &str, subject: Value) {
    let binding = object(json!({
        "metadata": {"generateName": format!("{}-", name.split('@').next().unwrap())},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [subject],
    }));
    stage
        .api::<RoleBinding>()
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
}

async fn author(stage: &Stage) -> Account {
    Account::service_account(stage, "author", "dbm-author")
        .await
        .until_may("create", "migrationactions")
        .await
}

async fn recoverer(stage: &Stage) -> Account {
    Account::user(stage, "rita@example.com", "ClusterRole", "dbm-recoverer")
        .await
        .until_may("restore", "databasemigrations")
        .await
}

#[tokio::test]
async fn an_author_retries_and_aborts_and_neither_recovers_nor_restores() {
    Stage::with(async |stage| {
        let author = author(stage).await;
        for (kind, verb, more) in actions() {
            let asked = author.asks(&action(kind, &author.name, &more)).await;
            if verb == "update" {
                assert!(asked.is_ok(), "{kind}: {asked:?}");
                continue;
            }
            let refused = asked.expect_err(kind);
            for part in [
                format!("the action {kind} needs the verb {verb} on databasemigrations shop"),
                format!("in namespace {}", stage.namespace),
                author.name.clone(),
                "the ClusterRole dbm-recoverer gives it".to_owned(),
            ] {
                assert!(
                    refused.contains(&part),
                    "{kind}: {part:?} is not in: {refused}"
                );
            }
        }
        let made = author.api::<MigrationAction>();
        let made = made.list(&ListParams::default()).await.unwrap();
        assert_eq!(made.items.len(), 2, "what was refused is not there");
    })
    .await;
}

#[tokio::test]
async fn a_recoverer_may_do_all_of_it() {
    Stage::with(async |stage| {
        let recoverer = recoverer(stage).await;
        for (kind, _, more) in actions() {
            let asked = recoverer.asks(&action(kind, &recoverer.name, &more)).await;
            assert!(asked.is_ok(), "{kind}: {asked:?}");
        }
        assert!(!recoverer.may("create", "databasemigrations").await);
        assert!(!recoverer.may("delete", "databasemigrations").await);
    })
    .await;
}

#[tokio::test]
async fn nobody_acts_in_anothers_name() {
    Stage::with(async |stage| {
        let (own, author, recoverer) =
            tokio::join!(Account::own(stage), author(stage), recoverer(stage));
        for (account, other) in [
            (&author, &recoverer),
            (&recoverer, &author),
            (&own, &recoverer),
        ] {
            let refused = account
                .asks(&action("Retry", &other.name, &json!({})))
                .await;
            let refused = refused.expect_err(&account.name);
            let part = format!(
                "requestedBy must be the name by which the API server knows you, {}, and not {}",
                account.name, other.name
            );
            assert!(refused.contains(&part), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_verb_is_asked_for_the_one_resource_that_is_named() {
    Stage::with(async |stage| {
        let role: Role = object(json!({"metadata": {"name": "shop-recoverer"}, "rules": [
            {"apiGroups": ["dbops.dev"], "resources": ["migrationactions"], "verbs": ["create"]},
            {"apiGroups": ["dbops.dev"], "resources": ["databasemigrations"], "resourceNames": ["shop"], "verbs": ["recover"]},
        ]}));
        stage.api::<Role>().create(&PostParams::default(), &role).await.unwrap();
        let account = Account::user(stage, "sam@example.com", "Role", "shop-recoverer")
            .await
            .until_may("recover", "databasemigrations")
            .await;
        let mut down = json!({"database": "identity", "migrationName": "0_init"});
        let ask = action("DownMigration", &account.name, &down);
        assert!(account.asks(&ask).await.is_ok());
        down["migration"] = "billing".into();
        let refused = account.asks(&action("DownMigration", &account.name, &down)).await.unwrap_err();
        assert!(refused.contains("recover on databasemigrations billing"), "{refused}");
        let refused = account.asks(&action("Retry", &account.name, &json!({}))).await.unwrap_err();
        assert!(
            refused.contains("needs the verb update") && refused.contains("dbm-author or dbm-recoverer"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_viewer_sees_and_makes_nothing() {
    Stage::with(async |stage| {
        let viewer = Account::user(stage, "vera@example.com", "ClusterRole", "dbm-viewer")
            .await
            .until_may("list", "migrationactions")
            .await;
        let own = Account::own(stage).await;
        own.asks(&action("Retry", &own.name, &json!({})))
            .await
            .unwrap();
        let seen = viewer.api::<MigrationAction>();
        let seen = seen.list(&ListParams::default()).await.unwrap();
        assert_eq!(seen.items.len(), 1);
        let seen = viewer.api::<DatabaseMigration>();
        seen.list(&ListParams::default()).await.unwrap();
        // What the screens tell people to read, and nothing that holds a credential.
        let all = ListParams::default();
        viewer.api::<Job>().list(&all).await.unwrap();
        viewer.api::<Pod>().list(&all).await.unwrap();
        viewer.api::<Event>().list(&all).await.unwrap();
        let log = viewer
            .api::<Pod>()
            .logs("none", &LogParams::default())
            .await;
        let missing = said(log).unwrap_err();
        assert!(missing.contains("not found"), "{missing}");
        let secrets = viewer.api::<Secret>().list(&all).await;
        assert!(said(secrets).unwrap_err().contains("cannot list resource"));
        for (kind, _, more) in actions() {
            let refused = viewer.asks(&action(kind, &viewer.name, &more)).await;
            let refused = refused.expect_err(kind);
            assert!(refused.contains("cannot create resource"), "{refused}");
        }
        let resource = object(identity_resource("shop", &shop("1.0.0")));
        let made = viewer
            .api::<DatabaseMigration>()
            .create(&PostParams::default(), &resource)
            .await;
        let refused = said(made).unwrap_err();
        assert!(refused.contains("cannot create resource"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn the_clusters_own_edit_role_sees_and_writes_nothing() {
    Stage::with(async |stage| {
        let editor = Account::user(stage, "ed@example.com", "ClusterRole", "edit")
            .await
            .until_may("get", "databasemigrations")
            .await;
        let own = Account::own(stage).await;
        own.asks(&action("Retry", &own.name, &json!({})))
            .await
            .unwrap();
        let seen = editor.api::<MigrationAction>();
        let seen = seen.list(&ListParams::default()).await.unwrap();
        assert_eq!(seen.items.len(), 1);
        for resource in ["databasemigrations", "migrationactions"] {
            for verb in [
                "create", "update", "patch", "delete", "recover", "restore", "approve",
            ] {
                assert!(!editor.may(verb, resource).await, "{verb} {resource}");
            }
        }
        let roles = Api::<ClusterRole>::all(stage.client.clone());
        for role in ["dbm-author", "dbm-recoverer"] {
            let labels = roles.get(role).await.unwrap().metadata.labels;
            let labels = labels.unwrap_or_default();
            assert!(
                !labels.keys().any(|label| label.contains("aggregate-to")),
                "{labels:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_action_never_changes() {
    Stage::with(async |stage| {
        let (own, author, recoverer) =
            tokio::join!(Account::own(stage), author(stage), recoverer(stage));
        let made = author.asks(&action("Retry", &author.name, &json!({}))).await.unwrap();
        let name = made.metadata.name.unwrap();
        let change = |account: &Account, patch: Value| {
            let api = account.api::<MigrationAction>();
            let name = name.clone();
            async move { said(api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await) }
        };
        for patch in [
            json!({"spec": {"reason": "another reason"}}),
            json!({"spec": {"action": "Abort"}}),
            json!({"spec": {"requestedBy": "somebody"}}),
            json!({"spec": {"action": "Restore", "database": "identity", "target": {"restorePoint": "x"}}}),
        ] {
            for account in [&author, &recoverer] {
                let refused = change(account, patch.clone()).await.unwrap_err();
                assert!(refused.contains("cannot patch resource"), "{refused}");
            }
            // Also who may do everything.
            let refused = change(&own, patch).await.unwrap_err();
            assert!(refused.contains("spec cannot be changed"), "{refused}");
        }
        for account in [&author, &recoverer] {
            let api = account.api::<MigrationAction>();
            let status = json!({"status": {"state": "Done", "outcome": "Succeeded"}});
            let patched = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await;
            assert!(said(patched).unwrap_err().contains("migrationactions/status"));
            let deleted = api.delete(&name, &DeleteParams::default()).await;
            assert!(said(deleted.map(drop)).unwrap_err().contains("cannot delete resource"));
        }
        change(&own, json!({"metadata": {"labels": {"seen": "yes"}}})).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_action_has_what_it_needs_and_no_more() {
    Stage::with(async |stage| {
        let own = Account::own(stage).await;
        let messages = [
            ("database", "database is needed by MarkApplied, MarkRolledBack, DownMigration, Baseline and Restore"),
            ("migrationName", "migrationName is needed by MarkApplied, MarkRolledBack, DownMigration and Baseline"),
            ("ledgerRow", "is needed by MarkApplied and MarkRolledBack"),
            ("planHash", "is needed by Baseline"),
            ("target", "target is needed by Restore"),
        ];
        let all = json!({
            "database": "identity", "migrationName": "0_init", "ledgerRow": "row-1", "planHash": "9f2c",
            "target": {"restorePoint": "dbm-r1"},
        });
        for (kind, _, needed) in actions() {
            for (field, message) in messages {
                // One that is needed is left out, one that is not is there.
                let mut changed = needed.clone();
                if changed.as_object_mut().unwrap().remove(field).is_none() {
                    changed[field] = all[field].clone();
                }
                let refused = own.asks(&action(kind, &own.name, &changed)).await;
                let refused = refused.expect_err(&format!("{kind} {field}"));
                assert!(refused.contains(message), "{kind} {field}: {refused}");
            }
        }

        let one_of = "target is exactly one of restorePoint and time";
        let long = "x".repeat(501);
        for (change, message) in [
            (json!({"target": {}}), one_of),
            (json!({"target": {"restorePoint": "a", "time": "2026-11-22T10:00:00Z"}}), one_of),
            (json!({"migration": "?watch=true"}), "a DNS label"),
            (json!({"migration": "../../other/databasemigrations/shop"}), "a DNS label"),
            (json!({"reason": "   "}), "reason must say something"),
            (json!({"reason": "no"}), "spec.reason"),
            (json!({"reason": long}), "spec.reason"),
            (json!({"requestedBy": "a\nb"}), "requestedBy must not hold control characters"),
            (json!({"requestedBy": ""}), "spec.requestedBy"),
            (json!({"migration": ""}), "spec.migration"),
            (json!({"run": ""}), "spec.run"),
        ] {
            let mut more = json!({"database": "identity", "target": {"restorePoint": "dbm-r1"}});
            for (key, value) in change.as_object().unwrap() {
                more[key] = value.clone();
            }
            let refused = own.asks(&action("Restore", &own.name, &more)).await;
            let refused = refused.expect_err(&change.to_string());
            assert!(refused.contains(message), "{change}: {refused}");
        }
        for target in [
            json!({"time": "2026-11-22T10:00:00Z"}),
            json!({"restorePoint": "dbm-r1"}),
        ] {
            let more = json!({"database": "identity", "target": target});
            own.asks(&action("Restore", &own.name, &more)).await.unwrap();
        }
    })
    .await;
}
