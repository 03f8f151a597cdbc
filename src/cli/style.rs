//! PURE. Colours, or none.

use anstyle::{AnsiColor, Effects, Style as Ansi};

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// There are.
    pub colour: bool,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It is worth a look, or under way.
    Warn,
    /// It stands back.
    Dim,
    /// It stands out.
    Strong,
    /// A command to be copied, a keyword.
    Code,
}

impl Style {
    /// Without colours.
    pub const PLAIN: Style = Style { colour: false };

    /// A text in the colour of its meaning.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Ansi::new().fg_color(Some(AnsiColor::Green.into())),
            Tone::Bad => Ansi::new()
                .fg_color(Some(AnsiColor::Red.into()))
                .effects(Effects::BOLD),
            Tone::Warn => Ansi::new().fg_color(Some(AnsiColor::Yellow.into())),
            Tone::Dim => Ansi::new().effects(Effects::DIMMED),
            Tone::Strong => Ansi::new().effects(Effects::BOLD),
            Tone::Code => Ansi::new().fg_color(Some(AnsiColor::Cyan.into())),
        };
        format!("{}{text}{}", style.render(), style.render_reset())
    }
}
