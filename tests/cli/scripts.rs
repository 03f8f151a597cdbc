//! What scripts rely on: the shape of what is printed, in whose name something is done, and the words that are taken.

use serde_json::Value;

use crate::server::Server;
use crate::status;

/// An object where one was named, a List everywhere else, of none and of one as of many.
#[rstest::rstest]
#[case(&["status", "shop"], 1, "DatabaseMigration")]
#[case(&["status"], 0, "List")]
#[case(&["status"], 1, "List")]
#[case(&["status"], 2, "List")]
#[case(&["status", "-A"], 1, "List")]
#[case(&["status", "-l", "team=shop"], 1, "List")]
#[case(&["plan", "-l", "team=shop"], 1, "List")]
#[case(&["plan", "-l", "team=shop"], 2, "List")]
#[case(&["retry", "shop", "--yes", "--no-wait"], 1, "MigrationAction")]
#[case(&["retry", "-l", "team=shop", "--yes", "--no-wait"], 1, "List")]
#[case(&["abort", "-l", "team=shop", "--yes", "--no-wait"], 2, "List")]
#[tokio::test]
async fn one_shape_however_many_there_are(
    #[case] call: &[&str],
    #[case] number: usize,
    #[case] kind: &str,
) {
    let mut resources = vec![status("failed"), status("good")];
    resources[1].metadata.name = Some("other".to_owned());
    resources.truncate(number);
    let server = Server::of(resources).await;
    for format in ["json", "yaml"] {
        let ended = server.call(&[call, &["-o", format]].concat()).await;
        let value: Value = match format {
            "json" => serde_json::from_str(&ended.out).unwrap(),
            _ => serde_saphyr::from_str(&ended.out).unwrap(),
        };
        assert_eq!(value["kind"], kind, "{ended:?}");
        assert!(!ended.out.contains("managedFields"), "{ended:?}");
        if kind == "List" {
            assert_eq!(value["apiVersion"], "v1");
            assert_eq!(value["items"].as_array().map(Vec::len), Some(number));
        }
    }
}

#[tokio::test]
async fn a_plan_by_name_is_an_object() {
    let server = Server::of(vec![status("failed")]).await;
    let ended = server.call(&["plan", "shop", "-o", "json"]).await;
    let value: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(value["name"], "shop");
    assert_eq!(ended.code, 1, "what it is about has failed: {ended:?}");
}

/// The chart's viewer may see everything but ConfigMaps: it is said once what is missing and how it is given, and nothing else is
/// kept back.
#[tokio::test]
async fn who_may_not_read_the_sql_is_told_how_to_get_the_right() {
    let server = Server::of(vec![status("failed")]).await;
    let ended = server
        .call(&["plan", "shop", "--sql", "--as", "viewer"])
        .await;
    assert!(
        ended
            .out
            .contains("No SQL to show: you may not list the ConfigMaps of production"),
        "{ended:?}"
    );
    assert!(ended.out.contains("20261122101500_split_name"), "{ended:?}");
    let told = [
        "right to list ConfigMaps in the namespace production",
        "ClusterRole view has it",
        "\n  kubectl create role dbm-plan-sql -n production --verb=get,list --resource=configmaps\n",
        "\n  kubectl create rolebinding dbm-plan-sql -n production --role=dbm-plan-sql --user=viewer\n",
    ];
    for words in told {
        assert_eq!(
            ended.err.matches(words).count(),
            1,
            "{words}: {}",
            ended.err
        );
    }
    // What it is about has failed, which is not for want of a right.
    assert_eq!(ended.code, 1);
    let json = server
        .call(&["plan", "shop", "--sql", "--as", "viewer", "-o", "json"])
        .await;
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["databases"][0]["pendingCount"], 2);
    assert!(json.err.contains("dbm-plan-sql"), "{json:?}");
}

#[rstest::rstest]
#[case::may_read_them(&["plan", "shop", "--sql"], "failed")]
#[case::did_not_ask_for_sql(&["plan", "shop", "--as", "viewer"], "failed")]
#[case::nothing_is_pending(&["plan", "shop", "--sql", "--as", "viewer"], "good")]
#[case::looks_at_the_state(&["status", "shop", "--as", "viewer"], "failed")]
#[tokio::test]
async fn nobody_else_is_told_of_rights(#[case] call: &[&str], #[case] name: &str) {
    let server = Server::of(vec![status(name)]).await;
    let ended = server.call(call).await;
    assert!(!ended.err.contains("ConfigMaps"), "{ended:?}");
}

#[tokio::test]
async fn all_is_asked_and_recorded_as_whom_one_acts_as() {
    let server = Server::of(vec![status("failed")]).await;
    let call = ["retry", "shop", "--yes", "--no-wait", "-o", "json"];
    let act_as = ["--as", "alice", "--as-group", "dev", "--as-group", "oncall"];
    let ended = server.call(&[&call[..], &act_as].concat()).await;
    let action: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(action["spec"]["requestedBy"], "alice", "{ended:?}");
    let asked = server.asked();
    assert!(asked.len() >= 3, "{asked:?}");
    for asked in asked {
        assert_eq!(asked.user, "alice", "{asked:?}");
        assert_eq!(asked.groups, ["dev", "oncall"], "{asked:?}");
    }
}

#[tokio::test]
async fn who_may_not_act_as_somebody_is_told_so() {
    let server = Server::of(vec![status("failed")]).await;
    let ended = server.call(&["status", "shop", "--as", "nobody"]).await;
    assert_eq!(ended.code, 1);
    let wanted = "--as takes the right to impersonate that user";
    assert!(ended.err.contains(wanted), "{ended:?}");
    assert!(!ended.err.contains("get databasemigrations"), "{ended:?}");
}

#[rstest::rstest]
#[case("ready")]
#[case("Ready")]
#[case("MIGRATED")]
#[case("condition=Migrated")]
#[tokio::test]
async fn what_is_waited_for_is_taken_in_any_case(#[case] goal: &str) {
    let server = Server::of(vec![status("good")]).await;
    let ended = server.call(&["wait", "shop", "--for", goal]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}
