//! A certificate authority for trying out and for tests: what SITHS is to production, in a folder.
//!
//! Its certificates have the form of SITHS function certificates, the owner's HSA-id as the subject's
//! `serialNumber`, and are worth nothing to anybody who was not told to trust it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::hsa::HsaId;

/// One day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The subject's `serialNumber` (X.520).
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];

/// A certificate authority with its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The authorities between this one and its root, this one first; empty for a root.
    between: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To serve.
    Server,
    /// To call.
    Client,
    /// It does not say.
    Unsaid,
}

/// A certificate to be issued.
#[derive(Clone, Debug)]
pub struct Order<'o> {
    /// The subject's common name.
    pub name: &'o str,
    /// The subject's organisation.
    pub organisation: &'o str,
    /// The subject's HSA-id, as its `serialNumber`.
    pub hsa: Option<&'o HsaId>,
    /// Host names and addresses.
    pub hosts: &'o [String],
    /// What it is for.
    pub usage: Usage,
    /// From when it is valid.
    pub from: SystemTime,
    /// Until when.
    pub until: SystemTime,
}

/// A certificate that was issued, with its key.
pub struct Issued {
    /// The certificate and the authorities between it and the root, in PEM.
    pub chain: String,
    /// Its private key, in PEM.
    pub key: String,
    serial: SerialNumber,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authority could not do it")]
pub struct AuthorityError(#[from] rcgen::Error);

impl<'o> Order<'o> {
    /// A caller's certificate, valid from an hour ago for two years.
    pub fn client(name: &'o str, hsa: &'o HsaId) -> Self {
        let now = SystemTime::now();
        Self {
            name,
            organisation: name,
            hsa: Some(hsa),
            hosts: &[],
            usage: Usage::Client,
            from: now - DAY / 24,
            until: now + DAY * 730,
        }
    }

    /// A server's certificate, valid from an hour ago for two years.
    pub fn server(name: &'o str, hsa: &'o HsaId, hosts: &'o [String]) -> Self {
        Self {
            hosts,
            usage: Usage::Server,
            ..Self::client(name, hsa)
        }
    }
}

impl Authority {
    /// A root authority, valid for ten years.
    pub fn root(name: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(authority(name)?, key)?,
            between: String::new(),
        })
    }

    /// An authority under this one.
    pub fn under(&self, name: &str) -> Result<Self, AuthorityError> {
        let issuer =
            CertifiedIssuer::signed_by(authority(name)?, KeyPair::generate()?, &self.issuer)?;
        Ok(Self {
            between: issuer.pem() + &self.between,
            issuer,
        })
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate with a key of its own.
    pub fn issue(&self, order: &Order<'_>) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = params(order)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let serial = params.serial_number.unwrap_or_else(|| 0.into());
        Ok(Issued {
            chain: leaf.pem() + &self.between,
            key: key.serialize_pem(),
            serial,
        })
    }

    /// A certificate signed by its own key: nobody vouches for it.
    pub fn self_signed(order: &Order<'_>) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = params(order)?;
        Ok(Issued {
            chain: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
            serial: 0.into(),
        })
    }

    /// A revocation list in PEM, of what this authority itself has issued.
    pub fn revocation_list(
        &self,
        revoked: &[&Issued],
        from: SystemTime,
        until: SystemTime,
    ) -> Result<String, AuthorityError> {
        let revoked = revoked.iter().map(|issued| RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: date_time_ymd(1970, 1, 1) + since_epoch(from),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_epoch(from),
            next_update: date_time_ymd(1970, 1, 1) + since_epoch(until),
            crl_number: since_epoch(from).as_secs().into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

fn authority(name: &str) -> Result<CertificateParams, AuthorityError> {
    let now = SystemTime::now();
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = subject(name, "pu", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now - DAY * 3_650);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(now + DAY * 3_650);
    Ok(params)
}

fn params(order: &Order<'_>) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(order.hosts)?;
    params.distinguished_name = subject(order.name, order.organisation, order.hsa);
    params.serial_number = Some(serial_number());
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match order.usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Usage::Unsaid => Vec::new(),
    };
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(order.from);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(order.until);
    Ok(params)
}

/// A subject of the form that SITHS gives.
fn subject(name: &str, organisation: &str, hsa: Option<&HsaId>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "SE");
    subject.push(DnType::LocalityName, "Sverige");
    subject.push(DnType::OrganizationName, organisation);
    subject.push(DnType::CommonName, name);
    if let Some(hsa) = hsa {
        // The standard wants a PrintableString, which has no underscore.
        let value = match PrintableString::try_from(hsa.as_str()) {
            Ok(text) => DnValue::PrintableString(text),
            Err(_) => DnValue::Utf8String(hsa.as_str().to_owned()),
        };
        subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), value);
    }
    subject
}

/// A certificate number that no other has: random, positive, 16 bytes.
fn serial_number() -> SerialNumber {
    let mut bytes = *uuid::Uuid::new_v4().as_bytes();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Time as certificates count it is a date of 1970 and so much more.
fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_bears_the_hsa_id_and_an_intermediate_brings_its_chain() {
        let root = Authority::root("Test root").unwrap();
        let hsa = HsaId::parse("SE2321000016-PU_1").unwrap();
        let issued = root
            .under("Test CA")
            .unwrap()
            .issue(&Order::client("Region", &hsa));
        let issued = issued.unwrap();
        let blocks = issued.chain.matches("BEGIN CERTIFICATE").count();
        assert_eq!(blocks, 2, "the leaf and the authority that issued it");
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.chain.as_bytes()).unwrap();
        let subject = pem.parse_x509().unwrap().subject().to_string();
        assert!(
            subject.contains("serialNumber=SE2321000016-PU_1"),
            "{subject}"
        );
        assert!(issued.key.contains("PRIVATE KEY"));
    }
}
