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
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word == "datasource" => {
                if let Some(body) = block(&tokens[position + 1..]) {
                    return Some(settings(body));
                }
            }
            _ => {}
        }
    }
    None
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
    let mut found = Datasource::default();
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
    found.schemas = schemas(body);
    found
}

/// The names in `schemas = ["a", "b"]`, which may stand on several lines.
fn schemas(body: &[Token]) -> Vec<String> {
    let key = [Token::Word("schemas".to_owned()), Token::Sign('=')];
    let Some(at) = body.windows(2).position(|tokens| *tokens == key) else {
        return Vec::new();
    };
    body[at + 2..]
        .iter()
        .take_while(|token| **token != Token::Sign(']'))
        .filter_map(|token| match token {
            Token::Text(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
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
    fn schemas_may_stand_on_several_lines() {
        let found = |value: &str| {
            let text = format!(
                "datasource db {{\n  provider = \"postgresql\"\n  {value}\n  url = env(\"A\")\n}}"
            );
            let found = datasource(&text).unwrap();
            assert_eq!(found.url.variable(), Some("A"), "{value}");
            found.schemas
        };
        assert_eq!(found("schemas = [\"app\", \"public\"]"), ["app", "public"]);
        assert_eq!(
            found("schemas=[ // which\n \"app\",\n\"a b\"\n ]"),
            ["app", "a b"]
        );
        assert_eq!(found(""), Vec::<String>::new());
        assert_eq!(found("// schemas = [\"old\"]"), Vec::<String>::new());
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
