//! From a host's name to the one to connect to, as the Job's pod will find it.

use std::io;
use std::net::SocketAddr;

use super::names::is_of_cluster;
use super::url::{Target, is_local_address, local_refused};
use crate::facts::{Unreadable, UnreadableReason};

/// The name to connect to. It is looked up here first, so that "no such host" is told apart from every other failure, and so
/// that a name that leads to this machine is refused. `verified`: the certificate has to be of the host.
///
/// The driver looks the name up again. A name that changes between the two could lead elsewhere; what it would gain is
/// a PostgreSQL handshake with that address, whose answer nobody gets to see.
pub(super) async fn host(target: &Target, verified: bool) -> Result<String, Unreadable> {
    let port = target.port;
    let look_up = move |name: String| async move {
        let found = tokio::net::lookup_host((name, port)).await?;
        Ok(found.collect())
    };
    find(target, verified, look_up).await
}

async fn find<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
    target: &Target,
    verified: bool,
    look_up: impl Fn(String) -> F,
) -> Result<String, Unreadable> {
    let own = [target.host.clone()];
    let names = if target.names.is_empty() {
        own.as_slice()
    } else {
        target.names.as_slice()
    };
    for name in names {
        let addresses = match look_up(name.clone()).await {
            Ok(addresses) if addresses.is_empty() => continue,
            Ok(addresses) => addresses,
            // What the cluster itself would know may be there all the same, and then that is where the Job goes.
            Err(error) if is_passing(&error) && is_of_cluster(name, names) => {
                return Err(silent(target, name));
            }
            Err(_) => continue,
        };
        if !target.allow_loopback && addresses.iter().any(|at| is_local_address(at.ip())) {
            return Err(local_refused());
        }
        // The certificate need not name more than the URL does; Prisma checks it by that.
        let as_written = verified
            && *name != target.host
            && look_up(target.host.clone())
                .await
                .is_ok_and(|found| is_same(&found, &addresses));
        return Ok(if as_written { &target.host } else { name }.clone());
    }
    Err(unknown(target, names))
}

fn is_same(one: &[SocketAddr], other: &[SocketAddr]) -> bool {
    let within = |a: &[SocketAddr], b: &[SocketAddr]| a.iter().all(|address| b.contains(address));
    within(one, other) && within(other, one)
}

/// The C library's words for a name server that does not answer, or cannot.
fn is_passing(error: &io::Error) -> bool {
    let said = error.to_string();
    ["Temporary failure", "Try again", "try again"]
        .iter()
        .any(|words| said.contains(words))
}

fn whole(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn silent(target: &Target, name: &str) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::HostUnknown,
        message: format!(
            "the cluster's name server does not answer for {}, by which the Job would look for the host {} first; it is asked again by itself",
            whole(name),
            target.host
        ),
    }
}

fn unknown(target: &Target, names: &[String]) -> Unreadable {
    let host = &target.host;
    let message = if let [only] = names {
        format!("the host {} does not resolve: check its name", whole(only))
    } else {
        let tried: Vec<&str> = names.iter().map(|name| whole(name)).collect();
        format!(
            "the host {host} does not resolve in the resource's namespace (tried {}): check its name, and that its Service is there{}",
            tried.join(", "),
            match host.contains('.') {
                true => String::new(),
                false => format!("; one of another namespace is {host}.NAMESPACE"),
            }
        )
    };
    Unreadable {
        reason: UnreadableReason::HostUnknown,
        message,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::database::names::PodNames;
    use crate::database::{Rules, parse};

    const POD: &str =
        "search dbm-system.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5";

    fn target(host: &str, in_cluster: bool) -> Target {
        let rules = Rules {
            allow_loopback: false,
        };
        let parsed = parse(&format!("postgres://u:p@{host}:5432/d"), &rules).unwrap();
        let names = if in_cluster {
            PodNames::parse(POD, "dbm-system").of(host, "shop")
        } else {
            Vec::new()
        };
        Target { names, ..parsed }
    }

    /// The name that is connected to, or why not, where only these names have addresses; one without an address is not
    /// answered for.
    fn found(
        target: &Target,
        verified: bool,
        known: &[(&str, &str)],
    ) -> Result<String, Unreadable> {
        let look_up = |name: String| {
            let said = match known.iter().find(|(other, _)| *other == name) {
                Some((_, "")) => Err("Temporary failure in name resolution"),
                Some((_, address)) => Ok(vec![format!("{address}:5432").parse().unwrap()]),
                None => Err("Name or service not known"),
            };
            let error =
                |said| io::Error::other(format!("failed to lookup address information: {said}"));
            std::future::ready(said.map_err(error))
        };
        futures::executor::block_on(find(target, verified, look_up))
    }

    #[test]
    fn the_host_of_the_resources_namespace_and_never_the_one_beside_the_operator() {
        let both = [
            ("item-pg", "10.0.0.1"),
            ("item-pg.dbm-system.svc.cluster.local.", "10.0.0.1"),
            ("item-pg.shop.svc.cluster.local.", "10.0.0.2"),
        ];
        let target = target("item-pg", true);
        for verified in [false, true] {
            let found = found(&target, verified, &both);
            assert_eq!(found.unwrap(), "item-pg.shop.svc.cluster.local.");
        }
        // Only the one beside the operator is there.
        let unknown = found(&target, false, &both[..2]).unwrap_err();
        assert_eq!(unknown.reason, UnreadableReason::HostUnknown);
        assert_eq!(
            unknown.message,
            "the host item-pg does not resolve in the resource's namespace (tried item-pg.shop.svc.cluster.local, \
             item-pg.svc.cluster.local, item-pg.cluster.local, item-pg): check its name, and that its Service is there; \
             one of another namespace is item-pg.NAMESPACE"
        );
    }

    #[test]
    fn in_the_order_of_the_pod() {
        let known = [
            ("pg.data.svc.cluster.local.", "10.0.0.3"),
            ("pg.data.", "10.0.0.4"),
            ("db.example.com.", "192.0.2.1"),
            ("db.example.com", "192.0.2.1"),
        ];
        let of = |host: &str, verified| found(&target(host, true), verified, &known).unwrap();
        assert_eq!(of("pg.data", false), "pg.data.svc.cluster.local.");
        assert_eq!(of("pg.data.", false), "pg.data.");
        assert_eq!(of("db.example.com", false), "db.example.com.");
        // The same server: its certificate is checked by the name that the URL says.
        assert_eq!(of("db.example.com", true), "db.example.com");
    }

    #[test]
    fn a_name_server_that_is_silent_is_no_answer() {
        let silent = [("pg.shop.svc.cluster.local.", ""), ("pg.", "10.0.0.5")];
        let unread = found(&target("pg", true), false, &silent).unwrap_err();
        assert!(unread.message.contains("does not answer"), "{unread:?}");
        // Of what is searched outside of the cluster nobody knows anything, as often as not.
        let outside = [
            ("db.example.com.corp.", ""),
            ("db.example.com.", "192.0.2.1"),
        ];
        let mut target = target("db.example.com", true);
        target.names.insert(3, "db.example.com.corp.".to_owned());
        assert_eq!(found(&target, false, &outside).unwrap(), "db.example.com.");
    }

    #[test]
    fn what_leads_to_this_machine_is_refused_under_each_name() {
        let inward = [
            ("pg.shop.svc.cluster.local.", "127.0.0.1"),
            ("pg.", "10.0.0.5"),
        ];
        let refused = found(&target("pg", true), false, &inward).unwrap_err();
        assert_eq!(refused.reason, UnreadableReason::UrlLoopback);
    }

    #[test]
    fn outside_of_a_cluster_the_host_is_taken_as_it_is() {
        let known = [("pg", "10.0.0.1")];
        assert_eq!(found(&target("pg", false), true, &known).unwrap(), "pg");
        let unknown = found(&target("gp", false), false, &known).unwrap_err();
        assert_eq!(
            unknown.message,
            "the host gp does not resolve: check its name"
        );
    }
}
