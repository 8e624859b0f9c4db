//! Each file says what the configuration and the program's tables say, and nothing of this machine.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::*;
use crate::cli::Arguments;
use crate::serve::metrics::Metrics;

fn text(files: &[File], name: &str) -> String {
    let file = files.iter().find(|it| it.name == name);
    let file = file.unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(file.text.clone()).unwrap()
}

fn all(config: &Config) -> Vec<File> {
    files(config, &[]).unwrap()
}

fn read(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pu.toml");
    fs::write(&path, text).unwrap();
    Config::read(Some(&path)).unwrap().0
}

/// Takes the `#` from every setting that has a default.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| {
        let name = line.split(" = ").next().unwrap_or_default();
        name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_') && !name.is_empty()
    };
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if is_setting(rest) && !rest.ends_with("# not set") => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A configuration in which much differs.
fn changed() -> Config {
    read(
        "data = \"/srv/person register\"\nlisten = \"127.0.0.1:9080\"\nlisten_unix = \"/run/pu/pu.sock\"\n\
         hosts = [\"pu.test\"]\n\
         [audit]\nfolder = \"/srv/100% audit\"\nanchor_command = [\"/bin/true\"]\n\
         [feed]\ninbox = \"/srv/person register/in\"\n\
         [tls]\nlisten = \"[::]:8443\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\nclient_authorities = [\"ca.pem\"]\n\
         [limits]\nanswer_bytes = 1000000\nconsumer_cpu = \"1m 30s\"\n\
         [[identity_formats]]\nnumber = 64\nroot = \"1.2.752.999.1\"\nshort_name = \"RX\"\nname = \"Region Exempel\"\n\
         pattern = \"[0-9]{8}RX[0-9]{2}\"\nbirth = \"date\"\ncheck = { from = 0, at = 11, letters = \"R1 X2\" }\n",
    )
}

#[test]
fn the_settings_file_says_what_is_in_force_with_and_without_its_comments() {
    for config in [Config::default(), changed()] {
        let text = text(&all(&config), "pu.toml");
        assert_eq!(read(&text), config, "{text}");
        assert_eq!(read(&uncommented(&text)), config, "{text}");
    }
    let defaults = text(&all(&Config::default()), "pu.toml");
    let active = defaults
        .lines()
        .filter(|it| !it.starts_with(['#', '[']) && !it.is_empty());
    assert_eq!(
        active.collect::<Vec<_>>(),
        [""; 0],
        "defaults are commented out"
    );
}

#[test]
fn no_setting_is_missing_from_the_settings_file_and_each_is_explained() {
    let text = text(&all(&Config::default()), "pu.toml");
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    let mut names = BTreeSet::new();
    let mut structures = vec![&schema];
    structures.extend(schema["$defs"].as_object().unwrap().values());
    for structure in structures {
        let properties = structure.get("properties").and_then(|it| it.as_object());
        names.extend(
            properties
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
    }
    assert!(names.len() > 70, "{names:?}");
    // What a default configuration prints is there too: it comes from the values, not from their types.
    let printed = toml::Table::try_from(Config::default()).unwrap();
    for (name, value) in printed {
        names.extend(
            value
                .as_table()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
        names.insert(name);
    }
    let lines: Vec<&str> = text.lines().collect();
    for name in names {
        let starts = [
            format!("#{name} = "),
            format!("[{name}]"),
            format!("#[[{name}]]"),
        ];
        let is_it = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        let within = format!("{{ {name} = ");
        let at = lines.iter().position(is_it);
        let Some(at) = at else {
            // A setting of a row within a row stands in one value.
            assert!(
                ["from", "at", "letters", "to", "lowest", "highest"].contains(&name.as_str()),
                "{name} is missing {within}"
            );
            continue;
        };
        assert!(lines[at - 1].starts_with("# "), "{name} is not explained");
    }
}

#[test]
fn units_name_the_addresses_and_folders_of_the_configuration_and_no_others() {
    let files = all(&changed());
    let unit = text(&files, "pu.service");
    let writable = |unit: &str| {
        let lines = unit
            .lines()
            .filter_map(|line| line.strip_prefix("ReadWritePaths="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // The inbox lies in the data folder.
    assert_eq!(
        writable(&unit),
        ["\"/srv/person register\"", "\"/srv/100%% audit\""]
    );
    assert!(!unit.contains("NoExecPaths"), "the anchor command may run");
    assert!(!unit.contains("IPAddressDeny"), "there are other machines");
    let listens: Vec<String> = text(&files, "pu.socket")
        .lines()
        .filter_map(|line| line.strip_prefix("ListenStream=").map(str::to_owned))
        .collect();
    assert_eq!(listens, ["127.0.0.1:9080", "[::]:8443", "/run/pu/pu.sock"]);
    assert!(text(&files, "alerts.yml").contains("0.8 * 1000000"));
    assert!(text(&files, "prometheus.yml").contains("[\"127.0.0.1:9080\"]"));
    assert!(text(&files, "haproxy.cfg").contains("bind :8443"));

    let files = all(&Config::default());
    let unit = text(&files, "pu.service");
    assert_eq!(writable(&unit), ["/var/lib/pu/snapshots"]);
    assert!(unit.contains("NoExecPaths=/\n") && unit.contains("ProtectHome=yes\n"));
    let at_home = Config {
        data: PathBuf::from("/home/somebody/register"),
        ..Config::default()
    };
    assert!(text(&all(&at_home), "pu.service").contains("ProtectHome=read-only\n"));
}

/// Names of ours in a text, without what Prometheus adds to histograms.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let names = words.filter(|word| word.starts_with("pu_"));
    let bare = |word: &str| {
        let suffix = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|it| word.strip_suffix(it));
        suffix.unwrap_or(word).to_owned()
    };
    names.map(bare).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let described: BTreeSet<String> = Metrics::described()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(described.len() > 50, "{described:?}");
    let files = all(&Config::default());
    let mut named = BTreeSet::new();
    for name in ["alerts.yml", "dashboard.json"] {
        named.extend(metrics(&text(&files, name)));
    }
    assert!(named.len() > 25, "{named:?}");
    let unknown: Vec<_> = named.difference(&described).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_metric_that_is_made_is_described() {
    let described: BTreeSet<String> = Metrics::described()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let rendered = Metrics::install().gathered();
    let made: BTreeSet<String> = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert!(made.len() > 20, "{made:?}");
    let nameless: Vec<_> = made.difference(&described).collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

#[test]
fn the_dashboard_is_json_whose_panels_do_not_lie_on_one_another() {
    let dashboard = text(&all(&Config::default()), "dashboard.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&dashboard).unwrap_or_else(|error| panic!("{error}: {dashboard}"));
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 20);
    let places: BTreeSet<String> = panels.iter().map(|it| it["gridPos"].to_string()).collect();
    let ids: BTreeSet<String> = panels.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!((places.len(), ids.len()), (panels.len(), panels.len()));
    for panel in panels {
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{panel}"
        );
    }
}

/// The main rules of CycloneDX 1.6, as its schema states them.
#[test]
fn the_bill_of_materials_lists_what_lies_in_the_program() {
    let bill = text(&all(&Config::default()), "bom.json");
    let bill: serde_json::Value = serde_json::from_str(&bill).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["specVersion"], "1.6");
    assert!(bill["version"].as_u64().unwrap() >= 1);
    let own = &bill["metadata"]["component"];
    assert_eq!(
        (&own["type"], &own["name"]),
        (&"application".into(), &"pu".into())
    );
    let components = bill["components"].as_array().unwrap();
    assert!(components.len() > 100, "{}", components.len());
    let mut references = BTreeSet::new();
    for component in components {
        let [kind, name, version, purl] =
            ["type", "name", "version", "purl"].map(|key| component[key].as_str().unwrap());
        assert_eq!(kind, "library");
        assert!(purl.starts_with(&format!("pkg:cargo/{name}@")), "{purl}");
        assert!(!version.is_empty() && !purl.contains('+'));
        assert!(
            references.insert(component["bom-ref"].clone().to_string()),
            "{purl} twice"
        );
        let hash = &component["hashes"][0];
        assert_eq!(hash["alg"], "SHA-256");
        let content = hash["content"].as_str().unwrap();
        assert!(content.len() == 64 && content.bytes().all(|it| it.is_ascii_hexdigit()));
        let licence = component["licenses"][0]["expression"].as_str().unwrap();
        assert!(
            !licence.is_empty() && !licence.contains('/') && !licence.contains("  "),
            "{licence}"
        );
    }
    let named = |name: &str| components.iter().any(|it| it["name"] == name);
    assert!(named("rustls") && named("hyper") && named("tokio"));
    assert!(
        !named("proptest") && !named("windows-sys"),
        "neither tests nor other systems"
    );
    references.insert(own["bom-ref"].to_string());
    let dependencies = bill["dependencies"].as_array().unwrap();
    for dependency in dependencies {
        assert!(
            references.contains(&dependency["ref"].to_string()),
            "{dependency}"
        );
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(references.contains(&on.to_string()), "{on}");
        }
    }
    let of_own = dependencies
        .iter()
        .find(|it| it["ref"] == own["bom-ref"])
        .unwrap();
    assert!(of_own["dependsOn"].as_array().unwrap().len() > 40);
}

#[test]
fn every_command_has_a_page_and_a_completion() {
    let files = all(&Config::default());
    let completions = [
        "completions/pu.bash",
        "completions/_pu",
        "completions/pu.fish",
    ];
    let completions = completions.map(|name| text(&files, name));
    for command in Arguments::command()
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
    {
        let name = command.get_name();
        let page = text(&files, &format!("man/pu-{name}.1"));
        assert!(
            page.contains(".SH OPTIONS") || page.contains(".SH SUBCOMMANDS"),
            "{page}"
        );
        assert!(completions.iter().all(|it| it.contains(name)), "{name}");
    }
    assert!(text(&files, "man/pu-audit-search.1").contains("person"));
}

#[test]
fn nothing_tells_of_the_machine_that_it_was_built_on() {
    let root = env!("CARGO_MANIFEST_DIR");
    let home = std::env::var("HOME").unwrap_or_default();
    for file in all(&Config::default()) {
        let text = String::from_utf8(file.text).unwrap();
        for place in [root, home.as_str()].iter().filter(|it| it.len() > 5) {
            assert!(!text.contains(*place), "{} names {place}", file.name);
        }
        // What templates left open, or blanks that they left behind.
        let is_template = |line: &str| line.contains("{%") || line.ends_with(' ');
        let odd = text
            .lines()
            .find(|line| is_template(line) && !file.name.starts_with("man/"));
        assert_eq!(
            odd.filter(|_| !file.name.starts_with("completions/")),
            None,
            "{}",
            file.name
        );
    }
}

#[test]
fn the_readme_names_every_file_and_only_those_that_are_written() {
    let files = all(&Config::default());
    let readme = text(&files, "README.md");
    for file in files.iter().filter(|it| it.name != "README.md") {
        assert!(
            readme.contains(&format!("| `{}` |", file.name)),
            "{}",
            file.name
        );
    }
    let some = super::files(&Config::default(), &[Part::Alerts, Part::Unit]).unwrap();
    let names: Vec<&str> = some.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "pu.service",
            "pu.socket",
            "pu.sysusers.conf",
            "pu.tmpfiles.conf",
            "alerts.yml",
            "prometheus.yml"
        ]
    );
}
