//! The bill of materials, as CycloneDX: the packages that lie in the program, as cargo told them when it
//! was built, with the hashes of the lock file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Failure;

/// `name version licence`, with `;` between packages.
const PACKAGES: &str = env!("PU_PACKAGES");

const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));

const NAME: &str = env!("CARGO_PKG_NAME");

/// What the lock file tells.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

/// A package in the lock file.
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    #[serde(default)]
    checksum: Option<String>,
    /// `name`, or `name version` where there are several.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// A package by name and version.
type Package<'p> = (&'p str, &'p str);

/// The document.
pub fn of_materials() -> Result<String, Failure> {
    let licences = licences();
    if licences.is_empty() {
        return Err(
            "this program was built without knowing what it was made of: cargo tree told \
                    nothing, so there is no bill of materials"
                .into(),
        );
    }
    let lock: Lock = toml::from_str(LOCK)?;
    let locked: BTreeMap<Package, &Locked> = lock
        .package
        .iter()
        .map(|it| ((it.name.as_str(), it.version.as_str()), it))
        .collect();
    let parts = licences.iter().filter(|((name, _), _)| *name != NAME);
    let components: Vec<Value> = parts
        .map(|(package, licence)| {
            let locked = locked.get(package);
            let checksum = locked.and_then(|it| it.checksum.as_deref());
            component("library", *package, licence, checksum)
        })
        .collect();
    let dependencies: Vec<Value> = licences
        .keys()
        .map(|package| {
            let locked = locked.get(package);
            let names = locked.map_or(&[][..], |it| &it.dependencies);
            let on: BTreeSet<String> = names
                .iter()
                .flat_map(|name| named(name, &licences))
                .map(reference)
                .collect();
            json!({"ref": reference(*package), "dependsOn": on})
        })
        .collect();
    let own = (NAME, env!("CARGO_PKG_VERSION"));
    let mut program = component("application", own, env!("CARGO_PKG_LICENSE"), None);
    program["properties"] = json!([
        {"name": "commit", "value": env!("PU_COMMIT")},
        {"name": "compiler", "value": env!("PU_RUSTC")},
    ]);
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program},
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The packages and their licences; the second may be unknown, and is then empty.
fn licences() -> BTreeMap<Package<'static>, &'static str> {
    let rows = PACKAGES.split(';').filter_map(|row| {
        let (name, rest) = row.split_once(' ')?;
        let (version, licence) = rest.split_once(' ')?;
        Some(((name, version), licence))
    });
    rows.collect()
}

fn component(kind: &str, package: Package, licence: &str, checksum: Option<&str>) -> Value {
    let (name, version) = package;
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "purl": reference(package),
    });
    if kind == "library" {
        component["scope"] = json!("required");
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if !licence.is_empty() {
        // Older packages write a slash for "or".
        let words = licence.replace('/', " OR ");
        let expression = words.split_whitespace().collect::<Vec<_>>().join(" ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    component
}

/// A package's address, by which it is also referred to.
fn reference((name, version): Package) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The packages in the program that the lock file means.
fn named<'p>(text: &str, licences: &BTreeMap<Package<'p>, &str>) -> Vec<Package<'p>> {
    let mut words = text.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next());
    let meant = |package: &&Package| package.0 == name && version.is_none_or(|it| it == package.1);
    licences.keys().filter(meant).copied().collect()
}
