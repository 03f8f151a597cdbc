//! Resources made of the CRD's own schema: as it allows them, at its bounds, and broken in one place. The same seed gives
//! the same resources.

use serde_json::{Map, Value, json};

/// A row of numbers that look random (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// How far a resource goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Within what the schema allows.
    Valid,
    /// Lengths, numbers and lists as small and as big as the schema allows.
    Bounds,
    /// A valid one with one thing wrong.
    Broken,
}

/// The bytes that the longest lists and strings of one resource may take together.
const BUDGET: usize = 150_000;

/// The schema of `spec`.
pub fn schema() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crds/databasemigrations.dbops.dev.yaml"
    );
    let crd: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// A spec.
pub fn spec(schema: &Value, kind: Kind, dice: &mut Dice) -> Value {
    let mut maker = Maker {
        dice,
        bounds: kind == Kind::Bounds,
        left: BUDGET,
    };
    let mut made = maker.value(schema);
    agree(&mut made, dice);
    if kind == Kind::Broken {
        break_one(&mut made, schema, dice);
    }
    made
}

struct Maker<'a> {
    dice: &'a mut Dice,
    bounds: bool,
    left: usize,
}

fn rules(schema: &Value) -> String {
    let rules = schema["x-kubernetes-validations"].as_array();
    let texts = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["rule"].as_str());
    texts.collect::<Vec<_>>().join(" && ")
}

fn number(schema: &Value, key: &str) -> Option<usize> {
    // Numbers stand as 64.0 in the schema.
    schema[key].as_f64().map(|number| number as usize)
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value) -> Value {
        if let Some(words) = schema["enum"].as_array() {
            return words[self.dice.below(words.len())].clone();
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return self.dice.of(&["100m", "64Mi", "1", "0.1"]).into();
        }
        match schema["type"].as_str() {
            Some("object") if schema["additionalProperties"].is_object() => self.map(schema),
            Some("object") => self.object(schema),
            Some("array") => self.list(schema),
            Some("integer") => self.integer(schema),
            Some("boolean") => self.dice.one_in(2).into(),
            Some("string") => self.text(schema).into(),
            other => panic!("the schema has a type that is not known here: {other:?} in {schema}"),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut made = Map::new();
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let likely = if self.bounds { 5 } else { 3 };
            if required.contains(&name.as_str()) || self.dice.one_in(likely) {
                made.insert(name.clone(), self.value(inner));
            }
        }
        // Exactly one of the two ways to name a certificate authority.
        if rules(schema).contains("!= has(") {
            let names: Vec<String> = schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            let one = &names[self.dice.below(names.len())];
            made = Map::from_iter([(one.clone(), self.value(&schema["properties"][one]))]);
        }
        made.into()
    }

    fn map(&mut self, schema: &Value) -> Value {
        let most = number(schema, "maxProperties").unwrap_or(3).min(8);
        let many = if self.bounds {
            most
        } else {
            self.dice.below(3)
        };
        let made = (0..many).map(|at| {
            let key = format!(
                "{}{at}",
                self.dice.of(&["team", "example.com/tier", "cpu", "memory"])
            );
            (key, self.value(&schema["additionalProperties"]))
        });
        Map::from_iter(made.collect::<Vec<_>>()).into()
    }

    fn list(&mut self, schema: &Value) -> Value {
        let fewest = number(schema, "minItems").unwrap_or(0);
        let most = number(schema, "maxItems").unwrap_or(2);
        let many = match (self.bounds, self.left) {
            // One long list in a resource; what stands in it is short.
            (true, left) if left > BUDGET / 2 && self.dice.one_in(2) => most,
            (true, _) => fewest,
            _ => fewest + self.dice.below(3).min(most - fewest),
        };
        if many == most && most > 2 {
            self.left /= 4;
        }
        let mut items = schema["items"].clone();
        if rules(schema).contains("all(p,") {
            // A rule of the list about each of its texts.
            items["x-kubernetes-validations"] = schema["x-kubernetes-validations"].clone();
        }
        let made: Vec<Value> = (0..many).map(|_| self.value(&items)).collect();
        made.into()
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let least = number(schema, "minimum").unwrap_or(0);
        let most = number(schema, "maximum").unwrap_or(100_000);
        match self.bounds {
            true if self.dice.one_in(2) => least.into(),
            true => most.into(),
            false => (least + self.dice.below(most - least + 1)).into(),
        }
    }

    /// As its rules say it; where there are none, whatever people may write.
    fn text(&mut self, schema: &Value) -> String {
        let rules = rules(schema);
        if rules.contains("{1,6}h") {
            return self.duration(&rules);
        }
        // What has to match a pattern has a first character.
        let named = rules.contains("[-a-z0-9]*") || rules.contains("[A-Za-z0-9_]*");
        let path = rules.contains("startsWith('/')");
        let least = number(schema, "minLength")
            .unwrap_or(0)
            .max(usize::from(named) + 2 * usize::from(path));
        let most = number(schema, "maxLength")
            .unwrap_or(40)
            .min(self.left / 40 + 1)
            .max(least);
        let length = match self.bounds {
            true if self.dice.one_in(2) => least,
            true => most,
            false => (least.max(1) + self.dice.below(24)).min(most),
        };
        self.left = self.left.saturating_sub(length);
        let (first, rest): (&str, &[&str]) = if rules.contains("[-a-z0-9]*") {
            ("a", &["b", "7", "z", "x"])
        } else if rules.contains("[A-Za-z0-9_]*") {
            ("A", &["_", "B", "9", "z"])
        } else if path {
            ("/", &["a", "b", "-", "."])
        } else if rules.contains("contains(' ')") {
            ("l", &["o", "c", "/", ":", "1", "-", "."])
        } else if rules.contains("matches(p)") {
            ("e", &["r+", ".", "o"])
        } else {
            (
                "s",
                &[
                    "a", "B", "-", ".", "/", " ", "'", "\"", "$", "ö", "語", "\\", "..", "%2F",
                    "\t",
                ],
            )
        };
        let mut text = String::new();
        while text.chars().count() < length {
            let next = if text.is_empty() {
                first
            } else {
                self.dice.of(rest)
            };
            if text.chars().count() + next.chars().count() > length {
                text.push(first.chars().next().unwrap());
            } else {
                text.push_str(next);
            }
        }
        text
    }

    fn duration(&mut self, rules: &str) -> String {
        let long = self.dice.of(&["999999h", "999999h999999m"]);
        let short = match (rules.contains("duration('1m')"), rules.contains("[1-9]")) {
            (true, _) => self.dice.of(&["0s", "1m", "59h"]),
            (false, true) => self.dice.of(&["1s", "1m30s", "2h"]),
            (false, false) => self.dice.of(&["0s", "1s", "90s", "1h30m5s"]),
        };
        if self.bounds {
            long.into()
        } else {
            short.into()
        }
    }
}

/// What holds across fields: names are unique, and what is named is there.
fn agree(spec: &mut Value, dice: &mut Dice) {
    let mut names: Vec<String> = Vec::new();
    for (at, database) in spec["databases"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        let name = unique(database["name"].as_str().unwrap(), at);
        database["name"] = name.clone().into();
        if let Some(named) = database.get_mut("dependsOn").and_then(Value::as_array_mut) {
            named.truncate(names.len());
            for depends in named {
                *depends = names[dice.below(names.len())].clone().into();
            }
        }
        names.push(name);
    }
    let tests = spec
        .pointer_mut("/validation/smokeTests")
        .and_then(Value::as_array_mut);
    for (at, test) in tests.into_iter().flatten().enumerate() {
        test["name"] = unique(test["name"].as_str().unwrap(), at).into();
        if test.get("after").is_some() {
            test["after"] = names[dice.below(names.len())].clone().into();
        }
    }
}

fn unique(name: &str, at: usize) -> String {
    let number = format!("x{at}");
    format!("{}{number}", &name[..name.len().min(30 - number.len())])
}

/// The places of a value, as JSON pointers, each with its schema.
fn places(value: &Value, schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    found.push((at.to_owned(), schema.clone()));
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let known = &schema["properties"][name];
                let inner_schema = if known.is_null() {
                    &schema["additionalProperties"]
                } else {
                    known
                };
                let name = name.replace('~', "~0").replace('/', "~1");
                places(inner, inner_schema, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                places(inner, &schema["items"], &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Makes one thing wrong.
fn break_one(spec: &mut Value, schema: &Value, dice: &mut Dice) {
    let mut all = Vec::new();
    places(spec, schema, "", &mut all);
    let (place, of) = all.swap_remove(1 + dice.below(all.len() - 1));
    let value = spec.pointer_mut(&place).unwrap();
    let wrong = match dice.below(8) {
        0 => wrong_type(value),
        1 => Value::Null,
        2 => "\u{1}\u{7f}\n".into(),
        3 => too_much(value, &of),
        4 => match value {
            Value::Object(map) => {
                map.insert("noSuchField".to_owned(), 1.into());
                value.clone()
            }
            _ => (-1).into(),
        },
        5 => match value {
            Value::Object(map) => {
                let first = map.keys().next().cloned();
                first.map(|key| map.remove(&key));
                value.clone()
            }
            _ => json!({}),
        },
        6 => "".into(),
        _ => twice(value),
    };
    *spec.pointer_mut(&place).unwrap() = wrong;
}

fn wrong_type(value: &Value) -> Value {
    match value {
        Value::String(_) => 7.into(),
        Value::Number(_) => 1.5.into(),
        Value::Bool(_) => "true".into(),
        Value::Array(_) => json!({"a": 1}),
        Value::Object(_) => "an object".into(),
        Value::Null => 0.into(),
    }
}

/// Longer or bigger than the schema allows.
fn too_much(value: &Value, schema: &Value) -> Value {
    match value {
        Value::String(_) => "x"
            .repeat(number(schema, "maxLength").unwrap_or(5_000) + 1)
            .into(),
        Value::Number(_) => json!(4_294_967_296_u64),
        Value::Array(list) => {
            let most = number(schema, "maxItems").unwrap_or(40) + 1;
            let one = list.first().cloned().unwrap_or(json!("x"));
            vec![one; most].into()
        }
        other => other.clone(),
    }
}

/// The same thing twice, where that means something.
fn twice(value: &Value) -> Value {
    match value {
        Value::Array(list) => [list.as_slice(), list.as_slice()].concat().into(),
        Value::String(text) => format!("{text} {text}").into(),
        other => wrong_type(other),
    }
}
