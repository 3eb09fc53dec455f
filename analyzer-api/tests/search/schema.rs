//! The schema that clients see.

use ledgerline_analyzer_api::search_sdl;
use serde_json::Value;

use crate::world::Searched;

/// `LEDGERLINE_WRITE_GOLDEN=1` writes the file anew; what changed is then seen in the diff.
#[test]
fn the_schema_is_the_one_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/search.graphql");
    let sdl = search_sdl().unwrap();
    if std::env::var_os("LEDGERLINE_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &sdl).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    let differs = sdl.lines().zip(golden.lines()).find(|(now, then)| now != then);
    assert!(
        sdl == golden,
        "docs/search.graphql is not the schema any more: {differs:?}; LEDGERLINE_WRITE_GOLDEN=1 writes it"
    );
}

/// What graphql-js, and with it most tools, sends to learn a schema.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description \
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } \
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_can_learn_the_schema_and_every_field_says_what_it_is() {
    let it = Searched::new().await;
    let data = it.data(INTROSPECTION).await;
    let mut described = 0;
    for kind in data["__schema"]["types"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        if name.starts_with("__") || kind["kind"] != "OBJECT" {
            continue;
        }
        for field in kind["fields"].as_array().unwrap() {
            let said = field["description"].as_str().unwrap_or_default();
            assert!(!said.is_empty(), "{name}.{} has no description", field["name"]);
            described += 1;
        }
    }
    assert!(described > 150, "{described}");
    let names: Vec<&Value> =
        data["__schema"]["types"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(names.contains(&&Value::from("TaskDetails")));
}
