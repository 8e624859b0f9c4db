//! `pu demo`: every official test number of Skatteverket as a register, built once through the same
//! door as production: Navet files and an exchange file, imported, served on loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::config::{Access, Config, Log, LogFormat, Rest, Search, Shutdown};
use super::generate::{morning, write_navet};
use super::import::{Wish, import};
use super::out::{of_file, say};
use super::{Failure, logging, serve};
use crate::base::{files, limits};
use crate::feed::exchange;
use crate::feed::generate::{base_day, demo_population, synthetic_population, well_known_person};
use crate::person::field::{Field, schema_hash};
use crate::person::identity::Formats;
use crate::person::record::RecordRef;
use crate::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};
use crate::serve::App;
use crate::serve::readiness::Phase;
use crate::store::folder;
use crate::store::state::{log_folder, refuse_orphan};
use crate::wire::contract::find;

/// Build (once) and serve a demo register: every official test number with invented, plausible data.
#[derive(Args)]
pub struct Demo {
    /// Address to listen on; loopback only
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Synthetic persons beside the official test numbers
    #[arg(long, default_value_t = 0, value_name = "N")]
    persons: usize,
    /// Data folder
    #[arg(long, default_value = "snapshots/demo", value_name = "DIR")]
    data: PathBuf,
    /// Build, but do not serve
    #[arg(long)]
    build_only: bool,
}

/// The population everybody sees.
const SEED: u64 = 1;

/// Says that a folder is a demo register, and of which making.
const MARK: &str = "demo.toml";

impl Demo {
    pub fn run(self) -> Result<(), Failure> {
        let config = Config {
            data: self.data.clone(),
            listen: self.listen,
            log: Log {
                format: LogFormat::Text,
                level: "warn".to_owned(),
            },
            search: Search { explain: true },
            rest: Rest {
                history: true,
                changes: true,
                reserve_identities: true,
            },
            access: Access {
                open: true,
                ..Access::default()
            },
            shutdown: Shutdown {
                announce_seconds: 0,
            },
            ..Config::default()
        };
        logging::start(&config.log)?;
        let lock = super::take(&config.data)?;
        self.build(&config.formats()?)?;
        if self.build_only {
            return Ok(());
        }
        let signals = serve::Signals::hear()?;
        let (app, running) = serve::begin(&config)?;
        lock.tell_inbox(&config.inbox())?;
        // What is printed can be tried at once.
        while matches!(app.readiness.phase(), Phase::Verifying) {
            std::thread::sleep(Duration::from_millis(20));
        }
        welcome(&app, running.address)?;
        signals.until_told(&app);
        running.stop();
        Ok(())
    }

    /// Builds the register, unless the one in the folder is of the same making.
    fn build(&self, formats: &Formats) -> Result<(), Failure> {
        let mark = self.data.join(MARK);
        let making = format!(
            "# This folder is rebuilt by `pu demo` whenever these change.\nseed = {SEED}\nwell_known = true\npersons = {}\nschema = \"{:016x}\"\nversion = \"{}\"\n",
            self.persons,
            schema_hash(),
            env!("CARGO_PKG_VERSION"),
        );
        let built = folder::newest(&self.data)?.is_some();
        if built && fs::read_to_string(&mark).is_ok_and(|found| found == making) {
            return Ok(());
        }
        if built && !mark.exists() {
            let folder = self.data.display();
            return Err(
                format!("{folder} holds a register that is no demo: choose another").into(),
            );
        }
        if !mark.exists() {
            refuse_orphan(&self.data)?;
        }
        let began = Instant::now();
        say!("Building the demo register in {} ...", self.data.display())?;
        for old in folder::snapshots(&self.data)? {
            fs::remove_file(old.path)?;
        }
        for old in [log_folder(&self.data), self.data.join("inbox")] {
            if old.is_dir() {
                fs::remove_dir_all(old)?;
            }
        }
        let files = self.write_files(formats)?;
        let wish = Wish {
            data: &self.data,
            formats,
            at: morning(base_day())?,
            dated: true,
            accept_truncated: false,
            online_answer: false,
            test_persons: true,
            // What was here was a demo too.
            new_register: mark.exists().then_some(0),
            settle: false,
            snapshots_kept: limits::SNAPSHOTS_KEPT,
        };
        let report = import(&files, &wish)?;
        report.print()?;
        if report.rejected() > 0 || report.changed() == 0 {
            return Err("the demo register's own files were not accepted".into());
        }
        files::put(&mark, making).map_err(|error| of_file(&mark, error))?;
        say!("Built in {:.1} s.\n", began.elapsed().as_secs_f64())?;
        Ok(())
    }

    /// Writes what the register is made of: the files a real one would get.
    fn write_files(&self, formats: &Formats) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.data.join("files");
        files::create_folder(&folder)?;
        let population = demo_population(formats, SEED);
        let mut files = Vec::new();
        let well_known = well_known_person(formats, SEED);
        let base = folder.join("navet_base.xml.gz");
        let count = population.len() + well_known.len();
        let posts = population.posts().chain(well_known.posts());
        write_navet(posts, count, base_day(), formats, &base)?;
        files.push(base);
        if self.persons > 0 {
            let path = folder.join("navet_synthetic.txt.gz");
            let posts = synthetic_population(formats, self.persons, SEED)
                .flat_map(|settlers| settlers.settle().posts().collect::<Vec<_>>());
            write_navet(posts, self.persons, base_day(), formats, &path)?;
            files.push(path);
        }
        let path = folder.join("care.ndjson.zst");
        let header = exchange::Header::new(morning(base_day())?.date_time, 0, formats);
        let mut writer = exchange::Writer::create(&path, &header, formats.clone())?;
        for person in population.exchange(formats) {
            writer.write_person(&person)?;
        }
        writer.finish()?;
        files.push(path);
        for (date, posts) in population.changes() {
            let path = folder.join(format!("navet_{:08}.txt", date.number()));
            let count = posts.len();
            write_navet(posts.into_iter(), count, date, formats, &path)?;
            files.push(path);
        }
        Ok(files)
    }
}

fn welcome(app: &App, address: SocketAddr) -> Result<(), Failure> {
    let state = app.store.pin();
    let endpoint = find("GetPersonsForProfile", 5).ok_or("no such contract")?;
    let url = format!("http://{address}{}", endpoint.path());
    let (root, extension) = somebody(&state)?;
    say!(
        "{} persons, served on http://{address}",
        state.snapshot().len()
    )?;
    say!("  all      http://{address}/")?;
    say!("  WSDL     {url}?wsdl")?;
    say!("  REST     http://{address}/v1/openapi.json")?;
    say!("  health   http://{address}/healthz  /readyz  /metrics\n")?;
    say!("Ask for somebody:\n")?;
    say!("curl -s 'http://{address}/v1/persons/191212121212'")?;
    say!("curl -s 'http://{address}/v1/search?name=tolvansson'")?;
    say!(
        "curl -s '{url}' -H 'Content-Type: text/xml; charset=UTF-8' -d '<s:Envelope \
         xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><LogicalAddress \
         xmlns=\"urn:riv:itintegration:registry:1\">{}</LogicalAddress></s:Header><s:Body>\
         <GetPersonsForProfile xmlns=\"{}\" xmlns:p=\"urn:riv:strategicresourcemanagement:persons:person:5\">\
         <personId><p:root>{root}</p:root><p:extension>{extension}</p:extension></personId>\
         <profile>P3</profile><ignoreReferredIdentity>false</ignoreReferredIdentity>\
         </GetPersonsForProfile></s:Body></s:Envelope>'\n",
        app.soap.logical_address(),
        endpoint.responder_namespace(),
    )?;
    say!("Stop with Ctrl-C.")?;
    Ok(())
}

/// A person with an address to show, not protected: the first such from the middle on, where people
/// are neither very old nor very young.
fn somebody(state: &crate::store::state::State) -> Result<(String, String), Failure> {
    const CITY: Field = Field::at("addressInformation/residentialAddress/city");
    let formats = Formats::standard();
    let grant = Grant::restricted(Profile::P3, ProtectionRules::default());
    let middle = usize::try_from(state.snapshot().len() / 2)?;
    for record in state.snapshot().records().skip(middle) {
        let record = RecordRef::open(record?)?;
        let view = restrict(record, &grant, Shield::NONE);
        if view.values(CITY).next().is_some() && !record.shield().is_on() {
            let identity = record.identity();
            if let Some((root, text)) = formats.root(identity).zip(formats.text(identity)) {
                return Ok((root.to_owned(), text.as_str().to_owned()));
            }
        }
    }
    Err("the demo register holds nobody with an address".into())
}
