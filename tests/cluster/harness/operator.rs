//! An operator of this build as a process of this machine: its pid can be killed and stopped for real, and what it
//! says to the API server can go through a proxy.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use kube::config::Kubeconfig;

use super::report::OPERATOR_NAMESPACE;
use super::stage::required;

/// The ServiceAccount of `local-cluster/operator-up`: a process has the chart's rights and no others.
pub const OPERATOR_ACCOUNT: &str = "dbm-database-migration-operator";
/// By which the API server's audit log tells one process from another.
pub const ANNOTATION_PROCESS: &str = "dbm-process";
/// The cluster's name server; this machine's own does not know Services.
const RESOLVER: &str =
    "nameserver 10.96.0.10\nsearch svc.cluster.local cluster.local\noptions ndots:5\n";

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The only namespace that it watches.
    pub namespace: String,
    /// The API server's address: a proxy's, or `None` for the real one.
    pub server: Option<String>,
    /// Its name on Leases and Events.
    pub name: String,
    /// Where its Leases are: the installed operator's namespace, as all others' are.
    pub leases: String,
    /// Works only while it holds the leader's Lease, which is one for all.
    pub leader_elect: bool,
    /// The program; `None` for this build's.
    pub program: Option<PathBuf>,
    /// More of its command line.
    pub arguments: Vec<String>,
}

impl Options {
    /// The only operator of a namespace.
    pub fn of(namespace: &str) -> Self {
        Options {
            namespace: namespace.to_owned(),
            server: None,
            name: format!("operator-{namespace}"),
            leases: OPERATOR_NAMESPACE.to_owned(),
            leader_elect: false,
            program: None,
            arguments: Vec::new(),
        }
    }
}

/// A running operator; dropped, it is killed.
pub struct Operator {
    child: Child,
    options: Options,
    folder: PathBuf,
    address: SocketAddr,
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Operator {
    /// Starts one. The image with the agent is `OPERATOR_IMAGE`'s, or else the one that is installed.
    pub fn start(options: Options) -> Operator {
        let folder = std::env::temp_dir().join(format!(
            "dbm-operator-{}-{}-{}",
            std::process::id(),
            options.namespace,
            options.name
        ));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(folder.join("resolv.conf"), RESOLVER).unwrap();
        std::fs::write(
            folder.join("kubeconfig"),
            kubeconfig(options.server.as_deref(), &options.name),
        )
        .unwrap();
        let address = own_address();
        let child = spawn(&options, &folder, address);
        Operator {
            child,
            options,
            folder,
            address,
        }
    }

    /// Kills it at once (SIGKILL), as a lost node does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after its end, with another program if one is given.
    pub fn restart(&mut self, program: Option<PathBuf>) {
        self.kill();
        if program.is_some() {
            self.options.program = program;
        }
        self.child = spawn(&self.options, &self.folder, self.address);
    }

    /// Sends it a signal by name, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success(), "kill -{name}");
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn until_ended(&mut self, limit: Duration) -> std::process::ExitStatus {
        let began = std::time::Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(began.elapsed() < limit, "it has not ended: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves `/metrics`.
    pub fn http_address(&self) -> SocketAddr {
        self.address
    }

    /// All that it has logged, over its restarts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What it says of itself to Prometheus; empty while it does not answer.
    pub async fn metrics(&self) -> String {
        metrics_at(self.address).await
    }
}

/// What an operator that serves there says of itself to Prometheus; empty while it does not answer.
pub async fn metrics_at(address: SocketAddr) -> String {
    answer_of(address, "/metrics").await
}

/// The whole answer to a GET; empty while it does not answer.
pub async fn answer_of(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    asked.await.unwrap_or_default()
}

fn spawn(options: &Options, folder: &Path, address: SocketAddr) -> Child {
    let program = options
        .program
        .clone()
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_database-migration-operator").into());
    let log = File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    // It ends with these tests, whatever ends them. In a mount namespace of its own the cluster's name server is asked.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args([
            "--mount",
            "sh",
            "-c",
            "mount --bind \"$0\" \"$(readlink -f /etc/resolv.conf)\" && exec \"$@\"",
        ])
        .arg(folder.join("resolv.conf"))
        .arg(program)
        .args(["run", "--watch-namespace", &options.namespace])
        .args(["--http-address", &address.to_string()])
        .arg(format!("--leader-elect={}", options.leader_elect))
        .args(["--log-level", "info,kube=warn"])
        .args(&options.arguments)
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .env("POD_NAMESPACE", &options.leases)
        .env("POD_NAME", &options.name)
        .env("OPERATOR_IMAGE", required("OPERATOR_IMAGE"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The administrator's way to the API server with the operator's rights, by the address that is given.
fn kubeconfig(server: Option<&str>, name: &str) -> String {
    let mut config = Kubeconfig::read().unwrap();
    for cluster in &mut config.clusters {
        if let (Some(cluster), Some(server)) = (&mut cluster.cluster, server) {
            cluster.server = Some(server.to_owned());
        }
    }
    for user in &mut config.auth_infos {
        if let Some(user) = &mut user.auth_info {
            user.impersonate = Some(format!(
                "system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}"
            ));
            let process = (ANNOTATION_PROCESS.to_owned(), vec![name.to_owned()]);
            user.impersonate_user_extra = Some([process].into());
        }
    }
    serde_json::to_string(&config).unwrap()
}

/// A loopback address of its own: a free port would be anybody's until it is listened on.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap_or_default();
    (Ipv4Addr::new(127, 20 + process, high, low), 18080).into()
}
