//! The files of `deploy/`: nobody could run them here, so they are read with the program's own code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ledgerline_event_store::capability::{
    Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence,
};
use ledgerline_event_store::engine::promised;
use serde_yaml::Value;

use crate::engine::Kind;
use crate::settings::Settings;

const KINDS: [&str; 3] = ["embedded", "kurrentdb", "fluvio"];

fn read(folder: &str, kind: &str) -> Vec<Value> {
    let path = file(folder, kind);
    let text = std::fs::read_to_string(&path).expect("a file");
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents
        .map(|document| {
            let mut value: Value = serde::Deserialize::deserialize(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Once for each level that an anchor builds on another one.
            for _ in 0..3 {
                value.apply_merge().expect("merges");
            }
            value
        })
        .collect()
}

fn file(folder: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(folder).join(format!("{kind}.yaml"))
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[key],
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value:?}"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_mapping().into_iter().flatten().map(|(key, value)| (text(key), value))
}

fn names<'a>(items: impl Iterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    items.map(|it| text(&it["name"])).collect()
}

/// The settings in a file, read and checked as `serve` does.
fn settings(toml: &str, of: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledgerline.toml");
    std::fs::write(&path, toml).expect("written");
    Settings::read(&path).unwrap_or_else(|error| panic!("{of}: {error}\n{toml}"))
}

/// What the engine of a file promises a mirror.
fn promises(kind: Kind) -> Option<Capabilities> {
    let (engine, durability, atomicity, concurrency, idempotence) = match kind {
        Kind::Embedded => return None,
        Kind::Kurrentdb => (
            "kurrentdb",
            Durability::QuorumFsync,
            Atomicity::Stream,
            ConcurrencyControl::Native,
            Idempotence::Window,
        ),
        Kind::Fluvio => (
            "fluvio",
            Durability::ReplicaMemory,
            Atomicity::Record,
            ConcurrencyControl::None,
            Idempotence::None,
        ),
    };
    Some(promised(Capabilities { engine, durability, atomicity, concurrency, idempotence }))
}

fn configured(toml: &str, kind: &str) -> Settings {
    let settings = settings(toml, kind);
    let engine = &settings.engine;
    assert_eq!(format!("{:?}", engine.kind).to_lowercase(), kind);
    if let Some(promises) = promises(engine.kind) {
        // What it does not promise is accepted by name, and nothing else is.
        engine.check_promises(&promises).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(kind != "fluvio" || engine.replication == 3, "{kind}: as many copies as SPUs");
    }
    assert_eq!(settings.data, Path::new("/var/lib/ledgerline"), "{kind}: the volume's place");
    assert_eq!(settings.http.listen.port(), 8080, "{kind}: the port that is probed");
    settings
}

/// Values that look like a secret have to come from somewhere else.
fn by_reference(name: &str, value: &Value) {
    let upper = name.to_uppercase();
    let secret = ["PASSWORD", "TOKEN", "SECRET", "CONNECTION"].iter().any(|it| upper.contains(it));
    let refers = value.as_str().is_none_or(|it| it.starts_with("${"));
    assert!(!secret || refers, "{name} is a literal");
}

#[test]
fn compose_files_hold_settings_that_serve_takes() {
    for kind in KINDS {
        let [document] = read("compose", kind).try_into().expect("one document");
        configured(text(at(&document, "configs/ledgerline/content")), kind);
    }
}

#[test]
fn compose_files_mount_and_name_only_what_they_declare() {
    for kind in KINDS {
        let [document] = read("compose", kind).try_into().expect("one document");
        let declared =
            |what: &str| entries(&document[what]).map(|it| it.0).collect::<BTreeSet<_>>();
        let (volumes, services) = (declared("volumes"), declared("services"));
        let mut used = BTreeSet::new();
        for (name, service) in entries(&document["services"]) {
            for volume in list(&service["volumes"]).map(text) {
                let source = volume.split(':').next().expect("a source");
                if !source.starts_with('.') {
                    assert!(volumes.contains(source), "{kind}: {name} mounts {source}");
                    assert!(used.insert(source), "{kind}: {source} is mounted twice");
                }
            }
            for other in list(&service["depends_on"]).map(text) {
                assert!(services.contains(other), "{kind}: {name} depends on {other}");
            }
            for config in list(&service["configs"]) {
                assert!(declared("configs").contains(text(&config["source"])), "{kind}: {name}");
            }
            for secret in list(&service["secrets"]).map(text) {
                assert!(declared("secrets").contains(secret), "{kind}: {name} reads {secret}");
            }
            for (variable, value) in entries(&service["environment"]) {
                by_reference(variable, value);
            }
            let limits = at(service, "deploy/resources/limits");
            assert!(!limits["memory"].is_null() && !limits["cpus"].is_null(), "{kind}: {name}");
            assert!(!service["restart"].is_null(), "{kind}: {name} is not restarted");
        }
        assert_eq!(used, volumes, "{kind}: volumes nobody mounts");
    }
}

#[test]
fn kubernetes_files_hold_settings_that_serve_takes() {
    for kind in KINDS {
        let documents = read("kubernetes", kind);
        let maps: Vec<_> = documents.iter().filter(|it| it["kind"] == "ConfigMap").collect();
        let [map] = maps.as_slice() else { panic!("{kind}: one ConfigMap") };
        configured(text(&map["data"]["ledgerline.toml"]), kind);
    }
}

#[test]
fn kubernetes_files_are_consistent() {
    for kind in KINDS {
        let documents = read("kubernetes", kind);
        let of = |what: &'static str| documents.iter().filter(move |it| it["kind"] == what);
        let named = |it: &Value| text(at(it, "metadata/name")).to_owned();
        let services: Vec<String> = of("Service").map(named).collect();
        let maps: Vec<String> = of("ConfigMap").map(named).collect();
        for set in of("StatefulSet") {
            let name = named(set);
            let pod = at(set, "spec/template/spec");
            assert!(services.contains(&text(at(set, "spec/serviceName")).to_owned()), "{name}");
            let labels = at(set, "spec/template/metadata/labels");
            assert_eq!(at(set, "spec/selector/matchLabels"), labels, "{kind}: {name}");
            let claims = list(at(set, "spec/volumeClaimTemplates")).map(|it| &it["metadata"]);
            let mut volumes = names(claims);
            volumes.extend(names(list(&pod["volumes"])));
            for volume in list(&pod["volumes"]) {
                if let Some(map) = at(volume, "configMap/name").as_str() {
                    assert!(maps.contains(&map.to_owned()), "{kind}: {name} mounts {map}");
                }
            }
            for container in list(&pod["containers"]) {
                let mounted = names(list(&container["volumeMounts"]));
                assert_eq!(mounted, volumes, "{kind}: {name}");
                let limits = at(container, "resources/limits");
                assert!(!limits["memory"].is_null() && !limits["cpu"].is_null(), "{kind}: {name}");
                let ports = names(list(&container["ports"]));
                for probe in ["livenessProbe", "readinessProbe"] {
                    let get = &container[probe]["httpGet"];
                    let port = if get.is_null() {
                        &container[probe]["tcpSocket"]["port"]
                    } else {
                        &get["port"]
                    };
                    assert!(ports.contains(text(port)), "{kind}: {name}: {probe}");
                }
                for variable in list(&container["env"]) {
                    by_reference(text(&variable["name"]), &variable["value"]);
                }
                if name == "ledgerline" {
                    let path = |probe: &str| text(at(container, &format!("{probe}/httpGet/path")));
                    assert_eq!(path("livenessProbe"), "/healthz");
                    assert_eq!(path("readinessProbe"), "/readyz");
                }
            }
        }
        for service in of("Service") {
            let selector = at(service, "spec/selector");
            let pods = of("StatefulSet")
                .find(|it| at(it, "spec/template/metadata/labels") == selector)
                .unwrap_or_else(|| panic!("{kind}: nobody is behind {}", named(service)));
            let container = at(pods, "spec/template/spec/containers/0");
            let ports = names(list(&container["ports"]));
            for port in list(at(service, "spec/ports")) {
                assert!(ports.contains(text(&port["targetPort"])), "{kind}: {}", named(service));
            }
        }
    }
}
