//! PURE. The options that every command takes, as kubectl has them.

use std::path::PathBuf;

use clap::Args;

/// What holds for every command. They have a heading of their own, or they would stand between the command's.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The namespace; default: that of the kubeconfig's context
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig to use; default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The user to act as, as kubectl's: whoever asks needs the right to impersonate them. Actions are recorded in their name
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub act_as: Option<String>,
    /// A group to act as, beside --as; may be given more than once
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "act_as",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub act_as_groups: Vec<String>,
    /// No colours, as with NO_COLOR in the environment
    #[arg(long, global = true)]
    pub no_color: bool,
}
