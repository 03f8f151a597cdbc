//! A PostgreSQL server of a test's own, whose processes may be killed: a pod of the test's namespace.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;

use super::db::{Server, run};
use super::{LIMIT, Stage, host};

/// The superuser's, of a server that lives for a minute.
pub(super) const PASSWORD: &str = "postgres-of-a-test";
const NAME: &str = "own-server";
const CONTAINER: &str = "postgres";
/// Made once; after a crash it recovers, as any server does.
const START: &str = r#"
if [ ! -e /data/pg/made ]; then
  initdb -D /data/pg --encoding UTF8 --auth-local trust --auth-host scram-sha-256 --username postgres --pwfile <(printf '%s' "$PASSWORD")
  echo 'host all all all scram-sha-256' >>/data/pg/pg_hba.conf
  touch /data/pg/made
fi
rm -f /data/pg/postmaster.pid
exec postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/data
"#;

/// The server.
pub struct OwnServer<'a> {
    stage: &'a Stage,
    pub server: Server,
}

impl OwnServer<'_> {
    /// Starts it and waits until it answers.
    pub async fn start(stage: &Stage) -> OwnServer<'_> {
        let model = stage.pod("databases", "identity-postgres-0").await;
        let image = model.spec.unwrap().containers[0].image.clone();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": NAME},
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "fsGroup": 999,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": CONTAINER, "image": image, "imagePullPolicy": "IfNotPresent",
                    "command": ["bash", "-c", START],
                    "env": [
                        {"name": "PATH", "value": "/usr/lib/postgresql/15/bin:/usr/bin:/bin"},
                        {"name": "PASSWORD", "value": PASSWORD},
                    ],
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/data"},
                        {"name": "memory", "mountPath": "/dev/shm"},
                    ],
                }],
                "volumes": [
                    {"name": "data", "emptyDir": {}},
                    {"name": "memory", "emptyDir": {"medium": "Memory"}},
                ],
            },
        }))
        .unwrap();
        stage
            .api::<Pod>()
            .create(&PostParams::default(), &pod)
            .await
            .unwrap();
        let address: Ipv4Addr = stage
            .pods
            .until(LIMIT, |seen| {
                let last = seen.iter().rfind(|seen| seen.object.name_any() == NAME)?;
                last.object.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
            })
            .await
            .expect("the server's pod has an address");
        let server = Server::Own(address);
        let mut session = server.session("postgres", "test").await;
        let sql = format!(
            "CREATE ROLE {} LOGIN PASSWORD '{}'",
            stage.role, stage.password
        );
        run(&mut session, &sql).await;
        OwnServer { stage, server }
    }

    /// Kills every process of it (SIGKILL). The kubelet starts it again, and it recovers from its log.
    pub async fn kill(&self) {
        let pod = self.stage.api::<Pod>().get(NAME).await.unwrap();
        host::kill(&pod, CONTAINER);
    }

    /// How often it was started again.
    pub async fn restarts(&self) -> i32 {
        let pod = self.stage.api::<Pod>().get(NAME).await.unwrap();
        let statuses = pod.status.and_then(|status| status.container_statuses);
        statuses
            .into_iter()
            .flatten()
            .map(|s| s.restart_count)
            .sum()
    }
}
