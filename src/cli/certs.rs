//! `pu certs`: certificates for trying mutual TLS out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::Failure;
use super::out::{of_file, say};
use crate::access::authority::{Authority, DAY, Issued, Order};
use crate::access::consumers::Category;
use crate::access::hsa::HsaId;
use crate::base::files::{self, MadeFolder};
use crate::wire::contract::{ENDPOINTS, LOGICAL_ADDRESS_NATIONAL};
use crate::wire::route::Route;

/// Certificates for trying mutual TLS out.
#[derive(Subcommand)]
pub enum Certs {
    /// Write an authority, a server, callers of every kind and a configuration, for trying out
    Dev(Dev),
}

/// Write a folder with all that mutual TLS takes to be tried out: an authority made for the occasion,
/// a server's certificate, a caller's certificate of every kind, two that are refused (expired and
/// revoked), a revocation list, a file of consumers, and a configuration that uses them.
///
/// They are FOR TRYING OUT ONLY. In production, the server's certificate comes from an authority that
/// callers trust, `tls.client_authorities` names the SITHS authorities, and `tls.revocation_lists` their
/// lists, which are fetched anew before they expire.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Dev {
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Another name of the server, beside localhost, 127.0.0.1 and ::1; may be given again
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Replace what an earlier run wrote
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  pu certs dev --out certs                   then: pu serve --config certs/pu.toml
  pu certs dev --out certs --host pu.test    the server is called pu.test too
  curl --cacert certs/ca.pem --cert certs/region.pem --key certs/region-key.pem \\
    https://localhost:8443/readyz            calls as the region

The caller is who its certificate says: the HSA-id is the subject's serialNumber. New files in place of
these take effect within seconds, and open connections of callers that are revoked end at their next
request.";

/// A caller for trying out.
struct Client {
    /// The file's name, without `.pem`.
    file: &'static str,
    hsa: &'static str,
    /// What kind of customer it is.
    category: &'static str,
    name: &'static str,
}

/// The callers: a customer of every category, an intermediary that calls for others, and those that
/// are refused.
const CLIENTS: &[Client] = &[
    Client::new("region", "SE0000000000-REGION", "region", "Region Test"),
    Client::new(
        "municipality",
        "SE0000000000-KOMMUN",
        "municipality",
        "Testa kommun",
    ),
    Client::new(
        "private",
        "SE0000000000-PRIVAT",
        "private-care-provider",
        "Testhälsan AB",
    ),
    Client::new(
        "authority",
        "SE0000000000-MYNDIGHET",
        "authority",
        "Testmyndigheten",
    ),
    Client::new("agent", "SE0000000000-OMBUD", "agent", "Testombudet AB"),
    Client::new(
        "intermediary",
        "SE0000000000-PLATTFORM",
        INTERMEDIARY,
        "Testplattformen",
    ),
];

/// What is no category of customer: it calls for others.
const INTERMEDIARY: &str = "intermediary";

/// Who is refused, whatever it may.
const EXPIRED: Client = Client::new(
    "expired",
    "SE0000000000-EXPIRED",
    "region",
    "Region Utgången",
);
const REVOKED: Client = Client::new(
    "revoked",
    "SE0000000000-REVOKED",
    "region",
    "Region Spärrad",
);

const SERVER: &str = "SE0000000000-SERVER";

impl Client {
    const fn new(
        file: &'static str,
        hsa: &'static str,
        category: &'static str,
        name: &'static str,
    ) -> Self {
        Self {
            file,
            hsa,
            category,
            name,
        }
    }

    fn issue(&self, authority: &Authority, expired: bool) -> Result<Issued, Failure> {
        let hsa = HsaId::parse(self.hsa)?;
        let mut order = Order::client(self.name, &hsa);
        if expired {
            let now = SystemTime::now();
            (order.from, order.until) = (now - DAY * 30, now - DAY);
        }
        Ok(authority.issue(&order)?)
    }
}

impl Certs {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Dev(dev) => dev.run(),
        }
    }
}

impl Dev {
    fn run(&self) -> Result<(), Failure> {
        let marks = ["ca.pem", "pu.toml"].map(|name| self.out.join(name));
        if let Some(there) = marks.iter().find(|path| path.exists() && !self.force) {
            let there = there.display();
            return Err(format!("{there} is there already: --force replaces it").into());
        }
        let made = MadeFolder::at(&self.out).map_err(|error| of_file(&self.out, error))?;
        // The configuration shall work from any folder.
        let folder = self.out.canonicalize();
        let folder = folder.map_err(|error| of_file(&self.out, error))?;
        let authority = Authority::root("pu: bara för test")?;
        write(&folder.join("ca.pem"), &authority.certificate())?;
        let mut hosts = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        hosts.extend(self.hosts.iter().cloned());
        let hsa = HsaId::parse(SERVER)?;
        let server = authority.issue(&Order::server("pu", &hsa, &hosts))?;
        keep(&folder, "server", &server)?;
        for client in CLIENTS {
            keep(&folder, client.file, &client.issue(&authority, false)?)?;
        }
        keep(&folder, EXPIRED.file, &EXPIRED.issue(&authority, true)?)?;
        let revoked = REVOKED.issue(&authority, false)?;
        keep(&folder, REVOKED.file, &revoked)?;
        let now = SystemTime::now();
        let list = authority.revocation_list(&[&revoked], now - DAY / 24, now + DAY * 730)?;
        write(&folder.join("crl.pem"), &list)?;
        write(&folder.join("consumers.toml"), &consumers())?;
        write(&folder.join("pu.toml"), &configuration(&folder)?)?;
        made.keep();
        self.tell()
    }

    fn tell(&self) -> Result<(), Failure> {
        let out = self.out.display();
        say!("Certificates for trying out, in {out}. Trust them nowhere else.\n")?;
        for Client {
            file,
            hsa,
            category,
            name,
        } in CLIENTS
        {
            say!("  {:18}{hsa:24}{category} ({name})", format!("{file}.pem"))?;
        }
        say!("  expired.pem, revoked.pem   are refused\n")?;
        say!("What each may do is in {out}/consumers.toml. Serve the demo register:\n")?;
        say!("  pu demo --build-only")?;
        say!("  pu serve --config {out}/pu.toml\n")?;
        say!("Call as the region, and for it as the platform:\n")?;
        let person = "https://localhost:8443/v1/persons/198401012391";
        say!(
            "  curl --cacert {out}/ca.pem --cert {out}/region.pem --key {out}/region-key.pem {person}"
        )?;
        say!(
            "  curl --cacert {out}/ca.pem --cert {out}/intermediary.pem --key {out}/intermediary-key.pem \\\n    \
             -H 'x-rivta-original-serviceconsumer-hsaid: SE0000000000-REGION' {person}"
        )?;
        Ok(())
    }
}

/// Writes a certificate and its key.
fn keep(folder: &Path, name: &str, issued: &Issued) -> Result<(), Failure> {
    write(&folder.join(format!("{name}.pem")), &issued.chain)?;
    write(&folder.join(format!("{name}-key.pem")), &issued.key)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::put(path, text).map_err(|error| of_file(path, error))
}

/// Every right that each kind of customer can have.
fn consumers() -> String {
    let mut text =
        "# Made by `pu certs dev`, for trying out: nothing is allowed that is not written here.\n"
            .to_owned();
    let of = |client: &Client, category: &str| {
        let Client { hsa, name, .. } = client;
        format!(
            "\n[[consumer]]\nhsa_id = \"{hsa}\"\nname = \"{name}\"\ncategory = \"{category}\"\n\
             valid_from = 2020-01-01\nvalid_to = 2099-12-31\n"
        )
    };
    for client in CLIENTS.iter().chain([&EXPIRED, &REVOKED]) {
        if client.category == INTERMEDIARY {
            text += &of(client, Category::Authority.name());
            text += "intermediary = { instances = [\"TRYOUT\"] }\n";
            continue;
        }
        text += &of(client, client.category);
        text += &format!("logical_addresses = [\"{LOGICAL_ADDRESS_NATIONAL}\"]\n");
        let category = Category::ALL
            .into_iter()
            .find(|it| it.name() == client.category);
        let may_be_unrestricted = category.is_some_and(Category::may_be_unrestricted);
        if may_be_unrestricted {
            text += "unrestricted_reason = \"for trying out\"\n";
        }
        text += &format!("rest = {:?}\n", Route::RIGHTS.map(Route::name));
        text += "counties = [\"all\"]\n[consumer.contracts]\n";
        let mut contracts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let meant = ENDPOINTS
            .iter()
            .filter(|it| may_be_unrestricted || !it.unrestricted);
        for endpoint in meant {
            let majors = contracts.entry(endpoint.contract).or_default();
            majors.push(endpoint.major);
        }
        for (contract, majors) in contracts {
            text += &format!("{contract} = {majors:?}\n");
        }
    }
    text
}

fn configuration(folder: &Path) -> Result<String, Failure> {
    let quoted = |name: &str| {
        let path = folder.join(name);
        let path = path.to_str().ok_or("the folder's name is not UTF-8")?;
        Ok::<_, Failure>(toml::Value::from(path).to_string())
    };
    Ok(format!(
        "# Made by `pu certs dev`, for trying out.\n\
         data = \"snapshots/demo\"\n\
         listen = \"127.0.0.1:8080\"      # /healthz, /readyz and /metrics, for this machine\n\
         \n\
         [access]\n\
         consumers = {}\n\
         \n\
         [tls]\n\
         listen = \"127.0.0.1:8443\"\n\
         certificate = {}\n\
         key = {}\n\
         client_authorities = [{}]\n\
         revocation_lists = [{}]\n",
        quoted("consumers.toml")?,
        quoted("server.pem")?,
        quoted("server-key.pem")?,
        quoted("ca.pem")?,
        quoted("crl.pem")?,
    ))
}
