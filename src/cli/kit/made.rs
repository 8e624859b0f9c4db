//! The files of the kit: templates filled with the configuration, and what the command line tells of
//! itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::super::config::Config;
use super::super::{Arguments, Failure};
use super::{Part, bill, settings};
use crate::serve::metrics::Metrics;

/// Where an installation lies: the kit's own choice, in one place.
const PROGRAM: &str = "/usr/local/bin/pu";
const SETTINGS_FOLDER: &str = "/etc/pu";
const SETTINGS: &str = "/etc/pu/pu.toml";
const HOME: &str = "/var/lib/pu";
const USER: &str = "pu";
const LOG_FILE: &str = "/var/log/pu/pu.log";

/// A file of the kit.
#[derive(Serialize)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// What stands in it.
    #[serde(skip)]
    pub text: Vec<u8>,
}

impl File {
    fn new(name: impl Into<String>, what: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            text: text.into(),
        }
    }
}

/// A template: the part it belongs to, the file that is made of it, what that is, and itself.
struct Template {
    part: Part,
    name: &'static str,
    what: &'static str,
    text: &'static str,
}

macro_rules! template {
    ($part:ident, $name:literal, $from:literal, $what:literal) => {
        Template {
            part: Part::$part,
            name: $name,
            what: $what,
            text: include_str!(concat!("templates/", $from)),
        }
    };
}

const TEMPLATES: &[Template] = &[
    template!(Unit, "pu.service", "pu.service", "the service, for systemd"),
    template!(
        Unit,
        "pu.socket",
        "pu.socket",
        "where it listens, for systemd"
    ),
    template!(
        Unit,
        "pu.sysusers.conf",
        "sysusers.conf",
        "its user, for systemd-sysusers"
    ),
    template!(
        Unit,
        "pu.tmpfiles.conf",
        "tmpfiles.conf",
        "its folders, for systemd-tmpfiles"
    ),
    template!(
        Container,
        "Containerfile",
        "Containerfile",
        "a container image without a shell"
    ),
    template!(
        Proxy,
        "haproxy.cfg",
        "haproxy.cfg",
        "HAProxy before two nodes, an example"
    ),
    template!(
        Proxy,
        "keepalived.conf",
        "keepalived.conf",
        "keepalived for two proxies, an example"
    ),
    template!(
        Alerts,
        "alerts.yml",
        "alerts.yml",
        "when to wake somebody, for Prometheus"
    ),
    template!(
        Alerts,
        "prometheus.yml",
        "prometheus.yml",
        "what to scrape, for Prometheus"
    ),
    template!(
        Dashboard,
        "dashboard.json",
        "dashboard.json",
        "a dashboard, for Grafana"
    ),
    template!(
        Logs,
        "pu.journald.conf",
        "journald.conf",
        "how much log the journal keeps"
    ),
    template!(
        Logs,
        "pu.logrotate.conf",
        "logrotate.conf",
        "how much log a file keeps"
    ),
];

const README: &str = include_str!("templates/README.md");

/// The files of one part.
pub fn part(part: Part, config: &Config) -> Result<Vec<File>, Failure> {
    match part {
        Part::Settings => Ok(vec![File::new(
            "pu.toml",
            "every setting, with what it means and its default",
            settings::commented(config)?,
        )]),
        Part::Completions => Ok(completions()),
        Part::Man => man(),
        Part::Bill => Ok(vec![File::new(
            "bom.json",
            "what the program is made of (CycloneDX)",
            bill::of_materials()?,
        )]),
        _ => {
            let facts = facts(config);
            let templates = TEMPLATES.iter().filter(|it| it.part == part);
            templates.map(|it| fill(it, &facts)).collect()
        }
    }
}

/// What tells in which order to use the others.
pub fn readme(config: &Config, files: &[File]) -> Result<File, Failure> {
    let template = Template {
        part: Part::Readme,
        name: "README.md",
        what: "in what order to use the files",
        text: README,
    };
    let facts = facts(config);
    fill(&template, &context! { files => Serde(files), ..facts })
}

fn fill(template: &Template, facts: &Value) -> Result<File, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Prometheus writes {{ }} itself.
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("[[", "]]")
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("unit", |path: String| unit(&path));
    let text = environment.render_named_str(template.name, template.text, facts)?;
    Ok(File::new(template.name, template.what, text))
}

/// A path as systemd reads it: `%` begins a specifier there, and a space would end it.
fn unit(path: &str) -> String {
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    let path = path.replace('%', "%%");
    if path.contains(char::is_whitespace) {
        format!("\"{path}\"")
    } else {
        path
    }
}

/// What templates are filled with.
fn facts(config: &Config) -> Value {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let data = text(installed(&config.data));
    let audit = text(installed(&config.audit_folder()));
    let inbox = text(installed(&config.inbox()));
    let mut folders: Vec<String> = Vec::new();
    for folder in [&data, &audit, &inbox] {
        if !folders.iter().any(|it| Path::new(folder).starts_with(it)) {
            folders.push(folder.clone());
        }
    }
    let in_home = |folder: &String| {
        let homes = ["/home", "/root", "/run/user"];
        homes.iter().any(|home| Path::new(folder).starts_with(home))
    };
    let addresses: Vec<String> = std::iter::once(config.listen)
        .chain(config.tls.listen)
        .map(|address| address.to_string())
        .collect();
    let metrics: BTreeMap<String, String> = Metrics::described().into_iter().collect();
    let rust = env!("PU_RUSTC").split(' ').nth(1).unwrap_or("1");
    context! {
        version => env!("CARGO_PKG_VERSION"),
        commit => env!("PU_COMMIT"),
        compiler => env!("PU_RUSTC"),
        rust,
        program => PROGRAM,
        settings => SETTINGS,
        settings_folder => SETTINGS_FOLDER,
        home => HOME,
        user => USER,
        log_file => LOG_FILE,
        folders_in_home => folders.iter().any(in_home),
        folders,
        data_folder => data,
        audit_folder => audit,
        inbox_folder => inbox,
        addresses,
        unix => config.listen_unix.clone().map(|path| text(installed(&path))),
        tls_port => config.tls.listen.map(|address| address.port()),
        metrics,
        config => Serde(config),
    }
}

/// A path as the installed service sees it, which works in its home.
fn installed(path: &Path) -> PathBuf {
    Path::new(HOME).join(path)
}

fn completions() -> Vec<File> {
    let shells = [
        (Shell::Bash, "completions/pu.bash"),
        (Shell::Zsh, "completions/_pu"),
        (Shell::Fish, "completions/pu.fish"),
    ];
    shells
        .into_iter()
        .map(|(shell, name)| {
            let mut text = Vec::new();
            generate(shell, &mut Arguments::command(), "pu", &mut text);
            File::new(name, format!("completions for {shell}"), text)
        })
        .collect()
}

/// A page for the program, and one for each of its commands.
fn man() -> Result<Vec<File>, Failure> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut files = Vec::new();
    pages(&program, &mut files)?;
    Ok(files)
}

fn pages(command: &Command, files: &mut Vec<File>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let page = Man::new(command.clone())
        .date(env!("PU_DATE"))
        .source(concat!("pu ", env!("CARGO_PKG_VERSION")))
        .manual("pu, a person register");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let what = format!("the manual page of {}", name.replace('-', " "));
    files.push(File::new(format!("man/{name}.1"), what, text));
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    for command in commands {
        pages(command, files)?;
    }
    Ok(())
}
