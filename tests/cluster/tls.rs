//! A server that lets nobody in without TLS, with a certificate of an authority that only this test knows.

use std::path::Path;
use std::process::Command;

use database_migration_operator::api::reasons;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use serde_json::{Value, json};

use crate::harness::*;

/// Makes a fresh instance with one role and one database, and serves it by TLS alone.
const START: &str = r#"
bin=/usr/lib/postgresql/15/bin
export PGDATA=/data/pg
$bin/initdb -U postgres >/dev/null
printf 'local all all trust\nhostssl all all all scram-sha-256\n' >$PGDATA/pg_hba.conf
printf '%s\n' "CREATE ROLE $ROLE LOGIN PASSWORD '$PASSWORD'" "CREATE DATABASE main OWNER $ROLE" |
  $bin/postgres --single postgres >/dev/null
exec $bin/postgres -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off \
  -c ssl=on -c ssl_cert_file=/certs/tls.crt -c ssl_key_file=/certs/tls.key
"#;

fn openssl(folder: &Path, arguments: &[&str]) {
    let done = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {arguments:?}: {said}");
}

/// An authority, its PEM in `<name>.crt`.
fn authority(folder: &Path, name: &str) -> String {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let subject = format!("/CN={name}");
    #[rustfmt::skip]
    openssl(folder, &[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject,
        "-keyout", &key, "-out", &certificate,
    ]);
    std::fs::read_to_string(folder.join(certificate)).unwrap()
}

/// A certificate of an authority for a host, and its key.
fn certificate(folder: &Path, authority: &str, host: &str) -> (String, String) {
    std::fs::write(folder.join("san"), format!("subjectAltName=DNS:{host}\n")).unwrap();
    let (ca, key) = (format!("{authority}.crt"), format!("{authority}.key"));
    #[rustfmt::skip]
    openssl(folder, &[
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "tls.key", "-out", "tls.csr",
    ]);
    #[rustfmt::skip]
    openssl(folder, &[
        "x509", "-req", "-in", "tls.csr", "-CA", &ca, "-CAkey", &key, "-CAcreateserial", "-days", "2",
        "-extfile", "san", "-out", "tls.crt",
    ]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    (read("tls.crt"), read("tls.key"))
}

/// The server, behind two names of which the certificate has one.
async fn serve(stage: &Stage, certificate: &(String, String)) {
    stage
        .secret(
            "server",
            &[("tls.crt", &certificate.0), ("tls.key", &certificate.1)],
        )
        .await;
    stage
        .secret("server-role", &[("password", &stage.password)])
        .await;
    let password = json!({"secretKeyRef": {"name": "server-role", "key": "password"}});
    let server = json!({
        "metadata": {"name": "server", "labels": {"app": "server"}},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 999, "fsGroup": 999, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "postgres",
                "image": "localhost/dbm-postgres:15",
                "command": ["bash", "-ec", START],
                "env": [
                    {"name": "ROLE", "value": stage.role},
                    {"name": "PASSWORD", "valueFrom": password},
                ],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "certs", "mountPath": "/certs", "readOnly": true},
                ],
            }],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "certs", "secret": {"secretName": "server", "defaultMode": 0o440}},
            ],
        },
    });
    made::<Pod>(stage, server).await;
    for name in ["tls", "alias"] {
        let service = json!({
            "metadata": {"name": name},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 5432}]},
        });
        made::<Service>(stage, service).await;
    }
}

fn host(stage: &Stage, service: &str) -> String {
    format!("{service}.{}.svc.cluster.local", stage.namespace)
}

/// A resource whose Secret leads to the server by this name, with these parameters, and its authority.
async fn client(
    stage: &Stage,
    name: &str,
    service: &str,
    parameters: &str,
    authority: Option<Value>,
) {
    let url = format!(
        "postgresql://{}:{}@{}:5432/main?schema=public{parameters}",
        stage.role,
        encoded(&stage.password),
        host(stage, service)
    );
    let secret = format!("{name}-db");
    stage.secret(&secret, &[("DATABASE_URL", &url)]).await;
    let databases = [("main", secret.as_str(), "prisma/schema.prisma")];
    let mut object = resource(name, &variant("small"), &databases);
    if let Some(authority) = authority {
        object["spec"]["databases"][0]["connection"]["caFrom"] = authority;
    }
    stage.apply(&object).await;
}

#[tokio::test]
async fn tls_that_is_required_or_wrong_is_explained_and_the_right_authority_reaches_prisma_too() {
    let folder = std::env::temp_dir().join(format!("dbm-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    Stage::with(async |stage| {
        let right = authority(&folder, "right");
        let wrong = authority(&folder, "wrong");
        serve(stage, &certificate(&folder, "right", &host(stage, "tls"))).await;
        let map = json!({"metadata": {"name": "right-ca"}, "data": {"ca.crt": right}});
        made::<ConfigMap>(stage, map).await;
        stage.secret("team-ca", &[("ca.crt", &wrong)]).await;
        let by_map = || Some(json!({"configMapKeyRef": {"name": "right-ca"}}));
        let by_secret = || Some(json!({"secretKeyRef": {"name": "team-ca"}}));

        client(stage, "plain", "tls", "&sslmode=disable", None).await;
        client(stage, "untrusted", "tls", "&sslmode=verify-full", None).await;
        client(stage, "other-authority", "tls", "", by_secret()).await;
        client(stage, "other-host", "alias", "&sslmode=require", by_map()).await;
        for (name, parts) in [
            (
                "plain",
                ["lets this user in by TLS only", "sslmode=require"],
            ),
            (
                "untrusted",
                ["no authority that is trusted", "connection.caFrom"],
            ),
            (
                "other-authority",
                ["no authority that is trusted", "connection.caFrom"],
            ),
            ("other-host", ["of another host", "alias."]),
        ] {
            let found = stage.until_reason(name, "TlsFailed").await;
            let text = message(&found);
            for part in parts.into_iter().chain(["main: ", "goes on by itself"]) {
                assert!(text.contains(part), "{name}: {part:?} is not in: {text}");
            }
            assert_eq!(holds(&found, reasons::OBSERVED), Some(false), "{name}");
        }

        client(stage, "disabled", "tls", "&sslmode=disable", by_map()).await;
        let found = stage.until_reason("disabled", "UrlInvalid").await;
        let text = message(&found);
        assert!(
            text.contains("sslmode=disable contradicts databases[0].connection.caFrom"),
            "{text}"
        );

        client(stage, "good", "tls", "", by_map()).await;
        let done = stage.until_ready("good").await;
        assert_eq!(
            database(&done, "main").applied_by_run,
            2,
            "by Prisma's own Job"
        );
        stage.secret("team-ca", &[("ca.crt", &right)]).await;
        stage.until_ready("other-authority").await;
        client(stage, "other-host", "tls", "&sslmode=require", by_map()).await;
        client(stage, "untrusted", "tls", "&sslmode=verify-full", by_map()).await;
        client(stage, "plain", "tls", "&sslmode=require", by_map()).await;
        for name in ["other-host", "untrusted", "plain"] {
            stage.until_ready(name).await;
        }
    })
    .await;
    std::fs::remove_dir_all(&folder).unwrap();
}
