//! What an incident is played on: screens and commands as a person has them, and what is counted of them.

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use database_migration_operator::api::DatabaseMigration;
use kube::ResourceExt;
use regex::Regex;

use crate::harness::*;
use crate::plays::Record;
use crate::untrue;

/// What stands before a text that is pasted, in place of an editor.
const PASTE: &str = "paste ";

/// What a command has printed, and its exit code.
pub struct Printed {
    pub text: String,
    pub code: i32,
}

/// Blanks and line ends as one blank.
pub fn squashed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One incident at work.
pub struct Incident<'s> {
    pub stage: &'s Stage,
    pub record: Rc<RefCell<Record>>,
}

impl Incident<'_> {
    /// From now on it is waited for the cause.
    pub fn fault(&self) {
        self.record.borrow_mut().since = Some(Instant::now());
    }

    /// Something untrue was said.
    pub fn untrue(&self, text: impl Into<String>) {
        let (text, mut record) = (text.into(), self.record.borrow_mut());
        // Of a screen that is looked at again and again it is one.
        let what = |text: &str| text.split(" in: ").next().map(str::to_owned);
        let known = |said: &String| what(said) == what(&text);
        if !record.untrue.iter().any(known) {
            record.untrue.push(text);
        }
    }

    /// What is said is so.
    pub fn truth(&self, what: &str, is: bool) {
        if !is {
            self.untrue(format!("not so: {what}"));
        }
    }

    /// It must come out so.
    pub fn ends(&self, what: &str, is: bool) {
        if !is {
            self.record.borrow_mut().failed.push(what.to_owned());
        }
    }

    /// None of these stands on any screen of this incident so far, nor in an Event or a message.
    pub fn never(&self, patterns: &[&str]) {
        for text in self.told() {
            for pattern in patterns {
                if let Some(found) = Regex::new(pattern).unwrap().find(&text) {
                    self.untrue(format!("{:?} in: {text}", found.as_str()));
                }
            }
        }
    }

    /// Everything that was told to people.
    fn told(&self) -> Vec<String> {
        let mut all = self.record.borrow().seen.clone();
        let resources = self.stage.resources.all();
        all.extend(resources.iter().map(|seen| message(&seen.object)));
        let events = self.stage.events.all();
        all.extend(events.into_iter().filter_map(|seen| {
            let of = seen.object.involved_object.kind.as_deref();
            of.is_some_and(|kind| kind == "DatabaseMigration")
                .then_some(seen.object.message)?
        }));
        let mut all: Vec<String> = all.iter().map(|text| squashed(text)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What no incident may show.
    pub fn read_all(&self) {
        let faults: Vec<String> = self
            .told()
            .iter()
            .flat_map(|text| untrue::in_any(text))
            .collect();
        for fault in faults {
            self.untrue(fault);
        }
    }

    /// A shell's command, as a person types it: with kubectl's plug-in of this build. Nobody can be asked, so what asks is told `--yes`
    /// where `yes` is.
    async fn shell(&self, command: &str, editor: &str, yes: bool) -> Printed {
        let script = r#"
            export PATH="$PLUGIN:$PATH"
            kubectl() {
              local verb=${2:-}
              case "${1:-} $verb" in
                "dbm retry"|"dbm mark-"*|"dbm down"|"dbm restore"|"dbm baseline"|"dbm accept"|"dbm abort"|"dbm suspend"|"dbm resume")
                  command kubectl "$@" $YES ;;
                *) command kubectl "$@" ;;
              esac
            }
            if [ -n "$PASTED" ]; then eval "$COMMAND" <<<"$PASTED" 2>&1; else eval "$COMMAND" </dev/null 2>&1; fi"#;
        let plugin = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-dbm"));
        let mut process = Command::new("bash");
        process
            .args(["-c", script])
            .env("PLUGIN", plugin.parent().unwrap())
            .env("COMMAND", command)
            .env("YES", if yes { "--yes" } else { "" })
            .env("KUBE_EDITOR", editor)
            .env("PASTED", editor.strip_prefix(PASTE).unwrap_or_default())
            .env_remove("COLUMNS");
        let output = tokio::task::spawn_blocking(move || process.output().unwrap());
        let output = output.await.unwrap();
        Printed {
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// A command on the page, with what it printed.
    fn on_page(&self, command: &str, text: &str) {
        let page = &mut self.record.borrow_mut().page;
        page.push_str(&format!("$ {command}\n{text}"));
        if !text.is_empty() && !text.ends_with('\n') {
            page.push('\n');
        }
        page.push('\n');
    }

    /// A person's doing, on the page.
    pub fn tell(&self, what: &str) {
        let page = &mut self.record.borrow_mut().page;
        page.push_str(&format!("# {what}\n\n"));
    }

    fn look_command(&self, name: &str) -> String {
        format!("kubectl dbm status {name} -n {}", self.stage.namespace)
    }

    /// One look at the screen.
    pub async fn look(&self, name: &str) -> Printed {
        let printed = self.shell(&self.look_command(name), "false", false).await;
        let mut record = self.record.borrow_mut();
        record.seen.push(printed.text.clone());
        record.screen.clone_from(&printed.text);
        drop(record);
        printed
    }

    /// Looks until all of these stand on the screen, which is the cause; then that is the incident's time.
    pub async fn until_cause(&self, name: &str, patterns: &[&str]) -> Printed {
        let printed = self.until_screen(name, patterns).await;
        let mut record = self.record.borrow_mut();
        let since = record.since.expect("there is a fault");
        record.seconds.get_or_insert(since.elapsed().as_secs_f64());
        drop(record);
        printed
    }

    /// Looks until all of these stand on the screen.
    pub async fn until_screen(&self, name: &str, patterns: &[&str]) -> Printed {
        let patterns: Vec<Regex> = patterns.iter().map(|p| Regex::new(p).unwrap()).collect();
        let from = Instant::now();
        loop {
            let printed = self.look(name).await;
            let text = squashed(&printed.text);
            let missing = patterns.iter().find(|pattern| !pattern.is_match(&text));
            let Some(missing) = missing else {
                return printed;
            };
            assert!(
                from.elapsed() < 2 * LIMIT,
                "{missing} is not on the screen after {:?}:\n{}",
                2 * LIMIT,
                printed.text
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The screen as it stays, on the page; it ends with this exit code.
    pub async fn show(&self, name: &str, code: i32) -> String {
        let printed = self.look(name).await;
        if printed.code != code {
            self.untrue(format!(
                "the exit code of status is {}, not {code}:\n{}",
                printed.code, printed.text
            ));
        }
        self.on_page(&self.look_command(name), &printed.text);
        printed.text
    }

    /// The same of a screen that was looked at already.
    pub fn shown(&self, name: &str, printed: &Printed) {
        self.on_page(&self.look_command(name), &printed.text);
    }

    /// All of these stand in a text.
    pub fn says(&self, text: &str, patterns: &[&str]) {
        let text = squashed(text);
        for pattern in patterns {
            if !Regex::new(pattern).unwrap().is_match(&text) {
                self.untrue(format!("{pattern:?} is not in: {text}"));
            }
        }
    }

    /// The command of a choice, which stands on the screen as well.
    pub async fn choice(&self, name: &str, at: usize) -> String {
        let object = self.newest(name).await;
        let choices = status(&object).choices;
        let choice = choices.get(at);
        let choice = choice.unwrap_or_else(|| panic!("no choice {at} in {choices:?}"));
        if at == 0 && !is_ready(&object) {
            self.truth(
                "the next command is the first choice's",
                status(&object).next_command == choice.command,
            );
        }
        let screen = self.record.borrow().screen.clone();
        self.truth(
            "the choice stands on the screen",
            screen.contains(&choice.command),
        );
        assert!(!choice.command.is_empty(), "{choice:?} has no command");
        choice.command.clone()
    }

    /// The resource as the API server has it.
    pub async fn newest(&self, name: &str) -> DatabaseMigration {
        self.stage
            .api::<DatabaseMigration>()
            .get(name)
            .await
            .unwrap()
    }

    /// Runs a command that was printed, as it was printed; a reason is put where it has dots, or asks for one. It must work.
    pub async fn follow(&self, command: &str) -> Printed {
        self.edit(command, "false").await
    }

    /// The same with what a person does in the editor that it opens, as a script of sed.
    pub async fn edit(&self, command: &str, script: &str) -> Printed {
        self.record.borrow_mut().commands += 1;
        let mut command = command.replace(" --reason ...", " --reason \"INC-1\"");
        let decides = Regex::new(r"^kubectl dbm (down|accept|baseline|restore|mark-\S+) ").unwrap();
        if decides.is_match(&command)
            && !command.contains(" --reason ")
            && !command.contains(" && ")
        {
            command.push_str(" --reason \"INC-1\"");
        }
        let piece = Regex::new(r"kubectl dbm down [^&]*[^& ]").unwrap();
        if command.contains(" && ") {
            command = piece
                .replace(&command, "$0 --reason \"INC-1\"")
                .into_owned();
        }
        let printed = self
            .typed_with(&command, &format!("sed -i -e '{script}'"), true)
            .await;
        assert_eq!(printed.code, 0, "{command}\n{}", printed.text);
        printed
    }

    /// The same with what a person pastes where it reads from the terminal.
    pub async fn paste(&self, command: &str, text: &str) -> Printed {
        self.record.borrow_mut().commands += 1;
        let printed = self
            .typed_with(command, &format!("{PASTE}{text}"), true)
            .await;
        assert_eq!(printed.code, 0, "{command}\n{}", printed.text);
        printed
    }

    /// Runs a command of a person's own; it does not ask.
    pub async fn typed(&self, command: &str) -> Printed {
        self.typed_with(command, "false", true).await
    }

    /// The same where it would ask, and nobody answers.
    pub async fn asked(&self, command: &str) -> Printed {
        self.typed_with(command, "false", false).await
    }

    async fn typed_with(&self, command: &str, editor: &str, yes: bool) -> Printed {
        self.on_page(command, "");
        let printed = self.shell(command, editor, yes).await;
        self.record.borrow_mut().seen.push(printed.text.clone());
        printed
    }

    /// What the last command said, on the page below it.
    pub fn answered(&self, printed: &Printed) {
        let page = &mut self.record.borrow_mut().page;
        page.truncate(page.trim_end().len());
        page.push('\n');
        page.push_str(printed.text.trim_end());
        page.push_str("\n\n");
    }

    /// One Warning of this reason came within half a minute of the fault.
    pub async fn warned(&self, name: &str, reason: &str) {
        let since = self.record.borrow().since.expect("there is a fault");
        let limit = Duration::from_secs(30).saturating_sub(since.elapsed());
        let found = self.stage.events.until(limit, |seen| {
            let mut seen = seen.iter().map(|seen| &seen.object);
            seen.any(|event| {
                event.involved_object.name.as_deref() == Some(name)
                    && event.reason.as_deref() == Some(reason)
                    && event.type_.as_deref() == Some("Warning")
            })
            .then_some(())
        });
        if found.await.is_none() {
            self.untrue(format!("no Warning Event {reason} of {name} within 30 s"));
        }
    }

    /// A release that is `Ready`, for what comes after it.
    pub async fn released(&self, object: &serde_json::Value) {
        self.stage.apply(object).await;
        let name = object["metadata"]["name"].as_str().unwrap();
        self.stage.until_ready(name).await;
    }

    /// Waits until the resource is `Ready`, with its last screen on the page.
    pub async fn until_well(&self, name: &str) -> String {
        let ready = self
            .stage
            .until(name, "Ready, with nothing under way", |object| {
                is_ready(object) && object.metadata.generation == status(object).observed_generation
            });
        assert_eq!(ready.await.name_any(), name);
        self.show(name, 0).await
    }
}
