//! Reads the datasource of a Prisma schema. Tolerant: it understands what it needs and steps over the rest.

/// What a schema says about its database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datasource {
    /// `provider`, as written.
    pub provider: Option<String>,
    /// `url`.
    pub url: Setting,
    /// `directUrl`.
    pub direct_url: Setting,
    /// `schemas`.
    pub schemas: Vec<String>,
}

/// Where a connection string comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    /// The datasource does not say.
    #[default]
    Unset,
    /// `env("NAME")`.
    Variable(String),
    /// Written into the schema, or an expression that is not known.
    Literal,
}

impl Setting {
    /// The variable's name, if it is one.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Setting::Variable(name) => Some(name),
            Setting::Unset | Setting::Literal => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    LineEnd,
}

/// The first datasource of a schema's text, if there is one.
#[must_use]
pub fn datasource(text: &str) -> Option<Datasource> {
    let tokens = tokens(text);
    let found = blocks(&tokens, "datasource");
    found.first().map(|body| settings(body))
}

/// The bodies of all blocks of a kind.
fn blocks<'a>(tokens: &'a [Token], kind: &str) -> Vec<&'a [Token]> {
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word == kind => {
                found.extend(block(&tokens[position + 1..]));
            }
            _ => {}
        }
    }
    found
}

/// What stands between the braces after a block's name.
fn block(tokens: &[Token]) -> Option<&[Token]> {
    let open = tokens.iter().position(|token| *token == Token::Sign('{'))?;
    let header_is_plain = tokens[..open]
        .iter()
        .all(|token| matches!(token, Token::Word(_) | Token::LineEnd));
    if !header_is_plain {
        return None;
    }
    let body = &tokens[open + 1..];
    let close = body.iter().position(|token| *token == Token::Sign('}'))?;
    Some(&body[..close])
}

fn settings(body: &[Token]) -> Datasource {
    let mut found = Datasource {
        schemas: list(body, "schemas").unwrap_or_default(),
        ..Datasource::default()
    };
    for line in body.split(|token| *token == Token::LineEnd) {
        let [Token::Word(key), Token::Sign('='), value @ ..] = line else {
            continue;
        };
        match key.as_str() {
            "provider" => {
                if let [Token::Text(text), ..] = value {
                    found.provider = Some(text.clone());
                }
            }
            "url" => found.url = setting(value),
            "directUrl" => found.direct_url = setting(value),
            _ => {}
        }
    }
    found
}

/// The texts of `key = [...]`, which may stand on several lines.
fn list(body: &[Token], key: &str) -> Option<Vec<String>> {
    let begins = |window: &[Token]| matches!(window, [Token::Word(word), Token::Sign('='), Token::Sign('[')] if word == key);
    let at = body.windows(3).position(begins)?;
    let texts = body[at + 3..]
        .iter()
        .take_while(|token| **token != Token::Sign(']'));
    Some(
        texts
            .filter_map(|token| match token {
                Token::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
    )
}

/// The preview features of the first generator of these texts that has any, which is the one that Prisma looks at.
#[must_use]
pub fn previews<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    texts
        .into_iter()
        .flat_map(|text| {
            let tokens = tokens(text);
            blocks(&tokens, "generator")
                .into_iter()
                .filter_map(|body| list(body, "previewFeatures"))
                .collect::<Vec<_>>()
        })
        .find(|previews| !previews.is_empty())
        .unwrap_or_default()
}

fn setting(value: &[Token]) -> Setting {
    match value {
        [
            Token::Word(function),
            Token::Sign('('),
            Token::Text(name),
            Token::Sign(')'),
            ..,
        ] if function == "env" => Setting::Variable(name.clone()),
        _ => Setting::Literal,
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '\n' => tokens.push(Token::LineEnd),
            '/' if rest.peek() == Some(&'/') => {
                while rest.peek().is_some_and(|next| *next != '\n') {
                    rest.next();
                }
            }
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut before = ' ';
                for next in rest.by_ref() {
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
            }
            '"' => {
                let mut value = String::new();
                while let Some(next) = rest.next() {
                    match next {
                        '"' => break,
                        '\\' => value.extend(rest.next()),
                        other => value.push(other),
                    }
                }
                tokens.push(Token::Text(value));
            }
            word if word.is_alphanumeric() || word == '_' => {
                let mut value = String::from(word);
                while let Some(next) =
                    rest.next_if(|next| next.is_alphanumeric() || matches!(next, '_' | '-'))
                {
                    value.push(next);
                }
                tokens.push(Token::Word(value));
            }
            space if space.is_whitespace() => {}
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_provider_and_variables() {
        let found = datasource(
            "generator client {\n  provider = \"prisma-client-js\"\n}\n\ndatasource db {\n  provider  = \"postgresql\"\n  \
             url       = env(\"DATABASE_URL\")\n  directUrl = env( \"DIRECT_URL\" ) // the direct one\n}\n",
        )
        .unwrap();
        assert_eq!(found.provider.as_deref(), Some("postgresql"));
        assert_eq!(found.url.variable(), Some("DATABASE_URL"));
        assert_eq!(found.direct_url.variable(), Some("DIRECT_URL"));
    }

    #[test]
    fn comments_and_strings_do_not_confuse_it() {
        let found = datasource(
            "\u{feff}// datasource old {\n//   provider = \"mysql\"\n/* datasource older { provider = \"sqlite\" } */\n\
             model A {\n  datasource String @default(\"} datasource x {\")\n}\ndatasource db\n{\n  // url = env(\"OLD\")\n  \
             provider = \"postgres\"\n  extensions = [a(map: \"b\"), c]\n  url = \"postgres://u:p@h/d\"\n}",
        )
        .unwrap();
        assert_eq!(found.provider.as_deref(), Some("postgres"));
        assert_eq!(found.url, Setting::Literal);
        assert_eq!(found.direct_url, Setting::Unset);
    }

    #[test]
    fn prisma_7_names_no_url() {
        let found = datasource("datasource db {\r\n  provider = \"postgresql\"\r\n}\r\n").unwrap();
        assert_eq!(found.url, Setting::Unset);
        assert_eq!(found.provider.as_deref(), Some("postgresql"));
    }

    #[test]
    fn lists() {
        let text = "generator a {\n provider = \"x\"\n}\ngenerator b {\n previewFeatures = [\"one\",\n \"two\"] // [\n}\n\
                    datasource db {\n schemas = [\n \"a\",\n \"b\"\n ]\n provider = \"postgresql\"\n}\n";
        let found = datasource(text).unwrap();
        assert_eq!(found.schemas, ["a", "b"]);
        assert_eq!(found.provider.as_deref(), Some("postgresql"));
        assert_eq!(previews([text]), ["one", "two"]);
        assert_eq!(previews(["", text]), ["one", "two"]);
        assert!(previews([""]).is_empty());
    }

    #[test]
    fn broken_text_is_no_datasource() {
        for text in [
            "",
            "datasource",
            "datasource db {",
            "datasource db \"x\" {}",
            "\"",
            "/*",
            "//",
            "model A {}",
        ] {
            assert_eq!(datasource(text), None, "{text}");
        }
    }
}
