//! Which machine a program is built for, as its ELF header says.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dbm_protocol::{Problem, ProblemReason};

/// Bytes of the header up to and including `e_machine`.
const HEADER: usize = 20;
/// As much of a script's first line as Linux itself reads.
const FIRST_LINE: usize = 256;

/// Architectures as images name them, by `e_machine`.
const NAMES: &[(u16, &str)] = &[
    (3, "386"),
    (21, "ppc64le"),
    (22, "s390x"),
    (40, "arm"),
    (62, "amd64"),
    (183, "arm64"),
    (243, "riscv64"),
];

/// This machine's architecture as images name it.
#[must_use]
pub fn own() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The architecture that a program, or the interpreter of a script, is built for, where that is not this machine's. `None`
/// also where it is no such file.
#[must_use]
pub fn foreign(program: &Path) -> Option<(PathBuf, &'static str)> {
    let (path, head) = match interpreter(&head(program)?) {
        Some(interpreter) => {
            let head = head(&interpreter)?;
            (interpreter, head)
        }
        None => (program.to_owned(), head(program)?),
    };
    let machine = machine(&head)?;
    let known = NAMES.iter().find(|(number, _)| *number == machine);
    let name = known.map_or("another architecture", |(_, name)| *name);
    (name != own()).then_some((path, name))
}

/// The same as a problem of the image, in words.
#[must_use]
pub fn problem(program: &Path) -> Option<Problem> {
    let (path, architecture) = foreign(program)?;
    Some(Problem {
        reason: ProblemReason::WrongArchitecture,
        message: format!(
            "{} is built for {architecture}, and this node is {own}; build the image for {own}, too, or choose nodes by \
             job.nodeSelector",
            path.display(),
            own = own(),
        ),
    })
}

fn head(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FIRST_LINE).ok()?;
    File::open(path)
        .ok()?
        .take(limit)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// The program that a script's `#!` names.
fn interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let name = line
        .split(|byte| byte.is_ascii_whitespace())
        .find(|word| !word.is_empty())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

fn machine(head: &[u8]) -> Option<u16> {
    let header = head.get(..HEADER)?;
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes = [header[18], header[19]];
    // The sixth byte is the order of the others: 2 is big-endian.
    Some(if header[5] == 2 {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn elf(machine: u16, big: bool) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes[5] = if big { 2 } else { 1 };
        bytes.resize(18, 0);
        bytes.extend(if big {
            machine.to_be_bytes()
        } else {
            machine.to_le_bytes()
        });
        bytes.resize(64, 0);
        bytes
    }

    #[test]
    fn tells_another_machines_programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let other = if own() == "arm64" { 62 } else { 183 };
        let name = NAMES.iter().find(|(number, _)| *number == other).unwrap().1;
        let program = file("node", &elf(other, false));
        assert_eq!(foreign(&program), Some((program.clone(), name)));
        let big = file("big", &elf(22, true));
        assert_eq!(foreign(&big), Some((big, "s390x")));
        let odd = file("odd", &elf(9999, false));
        assert_eq!(foreign(&odd), Some((odd, "another architecture")));
        let script = file(
            "prisma",
            format!("#! {} --flag\nx", program.display()).as_bytes(),
        );
        assert_eq!(foreign(&script), Some((program, name)));
        assert_eq!(foreign(&std::env::current_exe().unwrap()), None);
        for (name, bytes) in [
            ("empty", b"".as_slice()),
            ("text", b"hello"),
            ("no-interpreter", b"#!\n"),
            ("lost", b"#!/no/such/program\n"),
            ("cut", b"\x7fELF"),
        ] {
            assert_eq!(foreign(&file(name, bytes)), None, "{name}");
        }
        assert_eq!(foreign(&folder.path().join("absent")), None);
    }
}
