//! What is wrong before anything runs: the image, the Secret, the schema's path.

use serde_json::Value;

use crate::frame::Incident;
use crate::harness::*;

/// examples/shop.yaml.
pub fn example(version: &str) -> Value {
    let mut object = shop_resource(&shop(version));
    object["spec"]["databases"][1]["dependsOn"] = serde_json::json!(["identity"]);
    object
}

pub async fn tag(i: &Incident<'_>) {
    i.stage.shop().await;
    i.fault();
    i.stage.apply(&example("1.0.0-rc1")).await;
    i.until_cause("shop", &["cannot be pulled", "shop-migrations:1.0.0-rc1"])
        .await;
    i.warned("shop", "ImagePullFailed").await;
    // Once the registry has said so, the screen stays.
    let screen = i.until_screen("shop", &["What you can do"]).await;
    i.truth("a person is needed: exit code 3", screen.code == 3);
    i.show("shop", 3).await;
    let plan = i
        .typed(&format!("kubectl dbm plan shop -n {}", i.stage.namespace))
        .await;
    i.answered(&plan);
    i.says(&plan.text, &["pulled"]);
    let command = i.choice("shop", 0).await;
    i.tell("in the editor: image 1.0.0");
    i.edit(
        &command,
        "s|shop-migrations:1.0.0-rc1|shop-migrations:1.0.0|",
    )
    .await;
    i.until_well("shop").await;
    i.never(&["image is read, for"]);
}

pub async fn secret_key(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    let mut object = example("1.0.0");
    object["spec"]["databases"][0]["connection"]["secretKeyRef"]["key"] = "POSTGRES_URL".into();
    i.fault();
    i.stage.apply(&object).await;
    i.until_cause(
        "shop",
        &["POSTGRES_URL", &identity.secret, "it has: DATABASE_URL"],
    )
    .await;
    i.warned("shop", "SecretKeyMissing").await;
    i.until_screen("shop", &["What you can do", "inventory the image is read"])
        .await;
    i.show("shop", 3).await;
    let command = i.choice("shop", 0).await;
    let listed = i.follow(&command).await;
    i.says(&listed.text, &["DATABASE_URL: +[0-9]+ bytes"]);
    i.look("shop").await;
    let command = i.choice("shop", 1).await;
    i.tell("in the editor: key DATABASE_URL");
    i.edit(&command, "s|POSTGRES_URL|DATABASE_URL|").await;
    i.until_well("shop").await;
}

pub async fn password(i: &Incident<'_>) {
    let (identity, tasks) = i.stage.shop().await;
    let wrong = format!(
        "postgresql://{}:changed-last-night@{}:5432/{}?schema=public",
        identity.role(),
        identity.server.host(),
        identity.name
    );
    i.stage
        .secret(&identity.secret, &[("DATABASE_URL", &wrong)])
        .await;
    i.fault();
    i.stage.apply(&example("1.0.0")).await;
    i.until_cause("shop", &["password", "identity"]).await;
    i.warned("shop", "AuthenticationFailed").await;
    i.until_screen("shop", &["What you can do", "inventory the image is read"])
        .await;
    i.show("shop", 3).await;
    let command = i.choice("shop", 0).await;
    i.tell("pasted: the right URL");
    // Not on the page: it is what nobody may see.
    i.paste(&command, &identity.url()).await;
    i.until_well("shop").await;
    i.ends("tasks is migrated", tasks.applied().await.len() == 7);
    i.never(&["changed-last-night"]);
}

pub async fn schema_path(i: &Incident<'_>) {
    i.stage.shop().await;
    let mut object = example("1.0.0");
    object["spec"]["databases"][0]["prisma"]["schema"] =
        "packages/identity/prisma/schema.prisma".into();
    i.fault();
    i.stage.apply(&object).await;
    i.until_cause(
        "shop",
        &["packages/identity/prisma/schema.prisma", IDENTITY_SCHEMA],
    )
    .await;
    i.warned("shop", "SchemaMissing").await;
    i.until_screen("shop", &["What you can do"]).await;
    i.show("shop", 3).await;
    let command = i.choice("shop", 0).await;
    i.tell("in the editor: the path that the image has");
    i.edit(&command, "s|packages/identity/|packages/db/|").await;
    i.until_well("shop").await;
    i.never(&["image could not be read"]);
}
