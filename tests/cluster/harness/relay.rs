//! What stands between two parties and can be cut: a relay of connections, and one of requests that holds one of them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The node's address, by which its pods reach what listens on this machine.
pub const NODE: &str = "10.244.0.1";

/// Passes connections on, until they are cut.
pub struct Relay {
    pub port: u16,
    cuts: watch::Sender<u32>,
    closed: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// One to this address.
    pub async fn to(address: String) -> Relay {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, cut) = watch::channel(0);
        let closed = Arc::new(AtomicBool::new(false));
        let refuses = closed.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let (address, mut cut) = (address.clone(), cut.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(address).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Relay {
            port,
            cuts,
            closed,
            task,
        }
    }

    /// Ends every connection, and lets nobody in.
    pub fn cut(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets everybody in again.
    pub fn mend(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }
}

/// A way to the API server on which one request stands still: what a process had sent and nobody had read yet.
pub struct Gate {
    pub address: String,
    held: watch::Receiver<bool>,
    let_go: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// `kubectl proxy`, so that requests can be read.
    server: Child,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Gate {
    /// Holds the first request whose first line is so.
    pub async fn holding(is: impl Fn(&str) -> bool + Send + Sync + 'static) -> Gate {
        let (server, upstream) = proxy();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (hold, held) = watch::channel(false);
        let (let_go, gone) = watch::channel(false);
        let (hold, is) = (Arc::new(hold), Arc::new(is));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (hold, is, gone) = (hold.clone(), is.clone(), gone.clone());
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    let _ = pass(near, &upstream, &hold, gone, &*is).await;
                });
            }
        });
        Gate {
            address,
            held,
            let_go,
            task,
            server,
        }
    }

    /// Waits until it holds one.
    pub async fn until_held(&self) {
        let mut held = self.held.clone();
        tokio::time::timeout(super::LIMIT, held.wait_for(|held| *held))
            .await
            .expect("no such request came")
            .unwrap();
    }

    /// Passes on what it held.
    pub fn let_go(&self) {
        self.let_go.send_replace(true);
    }
}

/// `kubectl proxy`, and where it listens.
fn proxy() -> (Child, String) {
    let mut server = Command::new("kubectl")
        .args(["proxy", "--port=0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    // "Starting to serve on 127.0.0.1:40001"
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    (server, address)
}

async fn pass(
    near: TcpStream,
    upstream: &str,
    hold: &watch::Sender<bool>,
    mut gone: watch::Receiver<bool>,
    is: &(dyn Fn(&str) -> bool + Send + Sync),
) -> std::io::Result<()> {
    let far = TcpStream::connect(upstream).await?;
    let (mut from, mut answers) = near.into_split();
    let (mut answered, mut to) = far.into_split();
    let back = async { tokio::io::copy(&mut answered, &mut answers).await };
    let forth = async {
        let mut part = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut part).await?;
            if read == 0 {
                return to.shutdown().await;
            }
            let text = String::from_utf8_lossy(&part[..read.min(512)]);
            let first = text.lines().next().unwrap_or_default();
            // Only one: the next process' request of the same kind goes through.
            if first.contains(" HTTP/1.1") && is(first) && !hold.send_replace(true) {
                let _ = gone.wait_for(|gone| *gone).await;
            }
            to.write_all(&part[..read]).await?;
        }
    };
    let (_, _) = tokio::join!(back, forth);
    Ok(())
}
