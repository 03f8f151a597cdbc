//! PURE. By which names a pod looks for a host: the operator looks at the database that the Job will reach, and a short name
//! means something else in the Job's namespace than in its own.

use std::net::IpAddr;

/// The resolver's default where `resolv.conf` names no `ndots`.
const DEFAULT_NDOTS: usize = 1;
/// More dots than this no resolver counts.
const MOST_NDOTS: usize = 15;

/// How names are looked for in a pod of this cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodNames {
    /// The cluster's domain, as `cluster.local`; empty where this is no cluster.
    domain: String,
    /// What else is searched, after what belongs to the namespace and the cluster: that of the nodes.
    more: Vec<String>,
    /// A name with so many dots is tried as it is first.
    ndots: usize,
}

impl PodNames {
    /// By the operator's own `resolv.conf`, which the kubelet writes for every pod by one rule: what is searched begins with
    /// `<namespace>.svc.<domain>`. The Jobs' pods set no `dnsPolicy`, so theirs differs in the namespace alone.
    #[must_use]
    pub fn parse(resolv_conf: &str, own_namespace: &str) -> PodNames {
        let mut search: Vec<String> = Vec::new();
        let mut ndots = DEFAULT_NDOTS;
        for line in resolv_conf.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                // The last such line counts.
                Some("search" | "domain") => {
                    let plain = |word: &str| word.trim_end_matches('.').to_ascii_lowercase();
                    search = words.map(plain).filter(|word| !word.is_empty()).collect();
                }
                Some("options") => {
                    let found = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    ndots = found.fold(ndots, |_, number: usize| number.min(MOST_NDOTS));
                }
                _ => {}
            }
        }
        let own = format!("{own_namespace}.svc.");
        let of_cluster = |entry: &String| {
            let domain = entry.strip_prefix(&own).or(entry.strip_prefix("svc."))?;
            (!domain.is_empty()).then(|| domain.to_owned())
        };
        let Some(domain) = search.iter().find_map(of_cluster) else {
            return PodNames::default();
        };
        let known = [
            format!("{own}{domain}"),
            format!("svc.{domain}"),
            domain.clone(),
        ];
        search.retain(|entry| !known.contains(entry));
        PodNames {
            domain,
            more: search,
            ndots,
        }
    }

    /// The names under which a pod of a namespace looks for a host, in its order; each is whole, with a dot at its end. None
    /// where there is nothing to look for, and outside of a cluster: there the host is taken as it is.
    #[must_use]
    pub fn of(&self, host: &str, namespace: &str) -> Vec<String> {
        if self.domain.is_empty() || is_address(host) {
            return Vec::new();
        }
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let domain = &self.domain;
        let searched = [
            format!("{host}.{namespace}.svc.{domain}."),
            format!("{host}.svc.{domain}."),
            format!("{host}.{domain}."),
        ]
        .into_iter()
        .chain(self.more.iter().map(|more| format!("{host}.{more}.")));
        let itself = [format!("{host}.")].into_iter();
        let dots = host.matches('.').count();
        if dots >= self.ndots {
            itself.chain(searched).collect()
        } else {
            searched.chain(itself).collect()
        }
    }
}

/// Whether a host is an address, also in the spellings that resolvers take for one (`127.1`, `0x7f.1`).
fn is_address(host: &str) -> bool {
    let number = |part: &str| {
        let hex = part.strip_prefix("0x").or(part.strip_prefix("0X"));
        let digits = hex.unwrap_or(part);
        !digits.is_empty()
            && digits.chars().all(|sign| match hex {
                Some(_) => sign.is_ascii_hexdigit(),
                None => sign.is_ascii_digit(),
            })
    };
    host.parse::<IpAddr>().is_ok() || host.split('.').all(number)
}

/// Whether a name is answered by the cluster's own name server alone, so that its silence is not the answer "no".
pub(super) fn is_of_cluster(name: &str, names: &[String]) -> bool {
    // The last of the three that are searched for the cluster's sake; see `PodNames::of`.
    let service = names.iter().find(|name| name.contains(".svc."));
    service
        .and_then(|service| service.split_once(".svc."))
        .is_some_and(|(_, domain)| name.ends_with(&format!(".{domain}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "search dbm-system.svc.cluster.local svc.cluster.local cluster.local corp.example\n\
                       nameserver 10.96.0.10\noptions ndots:5 edns0\n";

    fn names(resolv_conf: &str, host: &str) -> Vec<String> {
        PodNames::parse(resolv_conf, "dbm-system").of(host, "shop")
    }

    #[test]
    fn a_short_name_belongs_to_the_resources_namespace() {
        assert_eq!(
            names(POD, "item-pg"),
            [
                "item-pg.shop.svc.cluster.local.",
                "item-pg.svc.cluster.local.",
                "item-pg.cluster.local.",
                "item-pg.corp.example.",
                "item-pg.",
            ]
        );
        // A Service of another namespace, and a whole name with fewer dots than five.
        assert_eq!(
            names(POD, "item-pg.data")[1],
            "item-pg.data.svc.cluster.local."
        );
        assert_eq!(
            names(POD, "db.example.com").last().map(String::as_str),
            Some("db.example.com.")
        );
        for host in ["item-pg", "item-pg.dbm-system", "a.b.c.d.e.f"] {
            let all = names(POD, host);
            assert!(all.iter().all(|name| !name.contains("dbm-system.svc.cluster.local") || host != "item-pg"), "{all:?}");
        }
    }

    #[test]
    fn a_name_with_many_dots_or_one_at_its_end_is_tried_as_it_is() {
        assert_eq!(names(POD, "a.b.c.d.e.f")[0], "a.b.c.d.e.f.");
        assert_eq!(names(POD, "item-pg.shop.svc."), ["item-pg.shop.svc."]);
        assert_eq!(names(POD, "item-pg."), ["item-pg."]);
    }

    #[test]
    fn addresses_are_not_looked_for() {
        for host in ["10.0.0.1", "2001:db8::1", "127.1", "2130706433", "0x7f.1"] {
            assert_eq!(names(POD, host), [""; 0], "{host}");
        }
    }

    #[test]
    fn what_a_resolv_conf_says() {
        // Another domain, dots at the ends, a comment, the last line counts; no entry of the own namespace.
        let odd = "search x.example\n; search y\nsearch SVC.k8s.corp. k8s.corp. # end\noptions ndots:99\n";
        assert_eq!(
            names(odd, "pg"),
            [
                "pg.shop.svc.k8s.corp.",
                "pg.svc.k8s.corp.",
                "pg.k8s.corp.",
                "pg."
            ]
        );
        // Of one's own namespace alone.
        let own = "search dbm-system.svc.k8s.corp";
        assert_eq!(names(own, "pg").len(), 4);
        assert_eq!(
            names(own, "pg.data")[0],
            "pg.data.",
            "ndots is 1 by default"
        );
        // No cluster.
        for none in [
            "",
            "search corp.example\nnameserver 1.1.1.1",
            "search svc.",
            "domain lan",
        ] {
            assert_eq!(names(none, "pg"), [""; 0], "{none}");
        }
    }

    #[test]
    fn whose_silence_is_no_answer() {
        let all = names(POD, "pg");
        let of_cluster: Vec<bool> = all.iter().map(|name| is_of_cluster(name, &all)).collect();
        assert_eq!(of_cluster, [true, true, true, false, false]);
    }
}
