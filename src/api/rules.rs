//! Rules of lists, which the API server checks: where one is broken, the message names the element that breaks it, which the
//! path of the field does not.

use serde_json::{Value, json};

/// Of a list of databases.
pub(super) fn databases() -> Value {
    json!([unique("databases"), depends_on()])
}

/// Of a list of smoke tests.
pub(super) fn smoke_tests() -> Value {
    json!([unique("smoke tests")])
}

/// Of a whole spec.
pub(super) fn spec() -> Value {
    let message = "after of a smoke test must be the name of a database of this resource, or empty";
    let bad = "has(t.after) && t.after != '' && !self.databases.exists(d, d.name == t.after)";
    json!([{
        "rule": "!has(self.validation.smokeTests) || self.validation.smokeTests.all(t, !has(t.after) || t.after == '' || self.databases.exists(d, d.name == t.after))",
        "message": message,
        "messageExpression": format!(
            "'{message}, which that of ' + self.validation.smokeTests.filter(t, {bad})[0].name + ' is not'"
        ),
    }])
}

/// `message` is shown where the expression cannot be evaluated.
fn unique(what: &str) -> Value {
    let message = format!("names of {what} must be unique");
    json!({
        "rule": "self.all(d, self.exists_one(e, e.name == d.name))",
        "message": message,
        "messageExpression": format!(
            "'{message}: ' + self.filter(d, !self.exists_one(e, e.name == d.name))[0].name + ' is there more than once'"
        ),
    })
}

fn depends_on() -> Value {
    // Of one that is there more than once the first counts.
    let bad = "names.indexOf(x) < 0 || names.indexOf(x) >= names.indexOf(d.name)";
    json!({
        "rule": "[self.map(d, d.name)].all(names, self.all(d, [names.indexOf(d.name)].all(i, !has(d.dependsOn) || d.dependsOn.all(x, [names.indexOf(x)].all(j, j >= 0 && j < i)))))",
        "message": "dependsOn of a database may only name databases that stand before it in the list",
        "messageExpression": format!(
            "[self.map(d, d.name)].map(names, self.filter(d, has(d.dependsOn) && d.dependsOn.exists(x, {bad})).map(d, 'dependsOn of database ' + d.name + ' names ' + d.dependsOn.filter(x, {bad})[0] + ', which does not stand before it in the list'))[0][0]"
        ),
    })
}
