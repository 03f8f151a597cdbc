//! Watches, line by line: held back, repeated, cut, or ended as too old.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, watch};

use super::proxy::Cut;

/// What is wrong with watches at the moment.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// These show nothing new.
    pub held: BTreeSet<String>,
    /// Every event comes twice, and the one before it again.
    pub echo: bool,
    /// Raised to cut all of them.
    pub cuts: usize,
    /// Raised to end all of them with 410.
    pub expiries: usize,
}

/// Passes a watch on until it ends, or nobody listens any more.
pub async fn pass_on(
    body: kube::client::Body,
    kind: String,
    mut control: watch::Receiver<Control>,
    lines: mpsc::UnboundedSender<Result<Bytes, Cut>>,
) {
    let began = control.borrow_and_update().clone();
    let mut data = body.into_data_stream();
    let mut rest = BytesMut::new();
    let mut before: Option<Bytes> = None;
    loop {
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1).freeze();
            if !released(&mut control, &kind, &began, &lines).await {
                return;
            }
            let mut sent = vec![line.clone()];
            if control.borrow().echo {
                sent.extend(before.replace(line.clone()));
                sent.push(line);
            }
            for line in sent {
                if lines.send(Ok(line)).is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            chunk = data.next() => match chunk {
                Some(Ok(chunk)) => rest.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    let _ = lines.send(Err(error.into()));
                    return;
                }
                None => return,
            },
            changed = control.changed() => {
                if changed.is_err() || ended(&control, &began, &lines) {
                    return;
                }
            }
            () = lines.closed() => return,
        }
    }
}

/// Waits while the kind is held. `false`: the watch has ended.
async fn released(
    control: &mut watch::Receiver<Control>,
    kind: &str,
    began: &Control,
    lines: &mpsc::UnboundedSender<Result<Bytes, Cut>>,
) -> bool {
    loop {
        if ended(control, began, lines) {
            return false;
        }
        if !control.borrow_and_update().held.contains(kind) {
            return true;
        }
        tokio::select! {
            changed = control.changed() => if changed.is_err() { return false },
            () = lines.closed() => return false,
        }
    }
}

/// Whether the watch was cut or has expired meanwhile; the operator hears of it.
fn ended(
    control: &watch::Receiver<Control>,
    began: &Control,
    lines: &mpsc::UnboundedSender<Result<Bytes, Cut>>,
) -> bool {
    let now = control.borrow();
    if now.cuts > began.cuts {
        let _ = lines.send(Err("cut".into()));
        return true;
    }
    if now.expiries > began.expiries {
        let gone = serde_json::json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version", "reason": "Expired", "code": 410}});
        let _ = lines.send(Ok(Bytes::from(format!("{gone}\n"))));
        return true;
    }
    false
}
