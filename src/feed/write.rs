//! Writes posts as a file in either format, so that a generated population comes in through the
//! same door as Skatteverket's. Terms stand in the table's order, which is the schema's.

use std::io::{self, Write};

use super::pen::{Pen, Said, eight_digits, escape};
use super::read::{Encoding, Navet};
use super::termdata::UTF8_MARK;
use super::terms::Term;
use crate::base::time::PartialDate;
use crate::person::field::Field;
use crate::person::identity::{Formats, IdentityType};
use crate::register::post::Post;

/// What a file tells of itself.
#[derive(Clone, Debug)]
pub struct Header {
    /// How its characters are written. A text file in UTF-8 begins with the mark that tells so.
    pub encoding: Encoding,
    /// The order it answers, for instance `00000236-FO01-0001`.
    pub order_id: String,
    /// The day it is made.
    pub effectuated: PartialDate,
    /// How many posts will follow.
    pub posts: u64,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A field that Skatteverket does not send.
    #[error("no term carries {0:?}")]
    NoTerm(Field),
    /// The post both blanks a group and fills it.
    #[error("{0:?} is both blanked and filled")]
    Contradiction(Field),
    /// A value that its term cannot say in this format: empty, `$`, of several lines, of another
    /// kind, or an identity without a format.
    #[error("term {0}: the value cannot be written in this format")]
    Unwritable(&'static Term),
    /// A character that the text format's encoding does not have.
    #[error("term {0}: a character that ISO-8859-1 does not have")]
    NotEncodable(&'static Term),
    /// The subject is neither a PNR nor an SNR, or its format is not known.
    #[error("the subject is neither a personnummer nor a samordningsnummer")]
    Subject,
    /// More or fewer posts than announced.
    #[error("{announced} posts were announced and {written} written")]
    WrongCount {
        /// In the header.
        announced: u64,
        /// In the file.
        written: u64,
    },
}

/// Writes one file.
pub struct Writer<'f, W> {
    out: W,
    navet: Navet,
    header: Header,
    formats: &'f Formats,
    buffer: String,
    encoded: Vec<u8>,
    written: u64,
}

impl<'f, W: Write> Writer<'f, W> {
    /// Begins a file.
    pub fn new(
        out: W,
        navet: Navet,
        header: Header,
        formats: &'f Formats,
    ) -> Result<Self, WriteError> {
        let mut writer = Self {
            out,
            navet,
            header,
            formats,
            buffer: String::new(),
            encoded: Vec::new(),
            written: 0,
        };
        let date = eight_digits(writer.header.effectuated);
        let Header {
            encoding,
            order_id,
            posts,
            ..
        } = &writer.header;
        let begin = match navet {
            Navet::Text => {
                if *encoding == Encoding::Utf8 {
                    writer.out.write_all(UTF8_MARK)?;
                }
                format!(
                    "#INFO_START\n#FILTYP UTFIL\n#BESTÄLLNINGSID {order_id}\n#BESTÄLLNINGSTYP X\n\
                     #EFFEKTUERAD {date}\n#INFO_SLUT\n#DATA_START\n"
                )
            }
            Navet::Xml => {
                let name = match encoding {
                    Encoding::Latin1 => "ISO-8859-1",
                    Encoding::Utf8 => "UTF-8",
                };
                let mut order = String::new();
                escape(&mut order, order_id, *encoding);
                format!(
                    "<?xml version=\"1.0\" encoding=\"{name}\"?>\n\
                     <Navetavisering xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
                     <Aviseringsinformation><Medieleverantor><OrgNr>162021005448</OrgNr>\
                     </Medieleverantor><Mediemottagare/><Filinformation>\
                     <BestallningsId>{order}</BestallningsId><Bestallningstyp>X</Bestallningstyp>\
                     <Produkt>NAVET</Produkt><Utfil><Filnamn>navet</Filnamn>\
                     <Effektueringsdatum>{date}</Effektueringsdatum>\
                     <AntalPoster>{posts}</AntalPoster><AntalPosterTotalt>{posts}</AntalPosterTotalt>\
                     <AntalFiler>1</AntalFiler><FilNr>1</FilNr><JobbId>0</JobbId></Utfil>\
                     </Filinformation></Aviseringsinformation>\n<Folkbokforingsposter>\n"
                )
            }
        };
        writer.buffer = begin;
        writer.flush_buffer()?;
        Ok(writer)
    }

    /// Writes one post. A post that fails leaves nothing in the file.
    pub fn write(&mut self, post: &Post) -> Result<(), WriteError> {
        let said = Said::of(post)?;
        let subject = match post.subject.kind() {
            IdentityType::Pnr | IdentityType::Snr => post.subject,
            IdentityType::Nrid | IdentityType::Lrid => return Err(WriteError::Subject),
        };
        self.buffer.clear();
        let mut pen = Pen {
            out: std::mem::take(&mut self.buffer),
            navet: self.navet,
            encoding: self.header.encoding,
            formats: self.formats,
            post,
            subject,
        };
        let drawn = pen.post(&said);
        self.buffer = pen.out;
        drawn?;
        self.flush_buffer()?;
        self.written += 1;
        Ok(())
    }

    /// Ends the file and hands its target back.
    pub fn finish(mut self) -> Result<W, WriteError> {
        let (announced, written) = (self.header.posts, self.written);
        if announced != written {
            return Err(WriteError::WrongCount { announced, written });
        }
        self.buffer = match self.navet {
            Navet::Text => {
                format!("#DATA_SLUT\n#AVST_START\n#ANTAL_POSTER {written}\n#AVST_SLUT\n#FIL_SLUT\n")
            }
            Navet::Xml => "</Folkbokforingsposter>\n</Navetavisering>\n".to_owned(),
        };
        self.flush_buffer()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        match self.header.encoding {
            Encoding::Utf8 => self.out.write_all(self.buffer.as_bytes()),
            Encoding::Latin1 => {
                // Every character fits: the pen has seen to it.
                self.encoded.clear();
                self.encoded.extend(
                    self.buffer
                        .chars()
                        .map(|it| u8::try_from(it).unwrap_or(b'?')),
                );
                self.out.write_all(&self.encoded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::read::{Read, Reader};
    use crate::feed::sample::{Dice, file_of, header, identity, told, understood};
    use crate::person::value::Value;
    use crate::register::post::Edit;

    fn back(bytes: &[u8], navet: Navet) -> Vec<String> {
        let formats = Formats::standard();
        let reads = Reader::new(bytes, navet, None, &formats);
        reads
            .map(|read: Result<Read, _>| told(&understood(&read.unwrap()).post))
            .collect()
    }

    proptest! {
        /// What is written is read, and both formats say the same of the same posts.
        #[test]
        fn posts_come_back_from_either_format(seed: u64) {
            let mut dice = Dice(seed);
            let posts: Vec<Post> = (0..4).map(|_| dice.post(false)).collect();
            let expected: Vec<String> = posts.iter().map(told).collect();
            for navet in [Navet::Text, Navet::Xml] {
                for encoding in [Encoding::Latin1, Encoding::Utf8] {
                    let bytes = file_of(&posts, navet, encoding);
                    prop_assert_eq!(&back(&bytes, navet), &expected, "{:?} {:?}", navet, encoding);
                }
            }
        }

        /// XML writes what its encoding lacks by number; text needs UTF-8 for it.
        #[test]
        fn characters_beyond_the_encoding_come_back(seed: u64) {
            let post = [Dice(seed).post(true)];
            let expected = vec![told(&post[0])];
            for encoding in [Encoding::Latin1, Encoding::Utf8] {
                prop_assert_eq!(&back(&file_of(&post, Navet::Xml, encoding), Navet::Xml), &expected);
            }
            prop_assert_eq!(&back(&file_of(&post, Navet::Text, Encoding::Utf8), Navet::Text), &expected);
        }
    }

    fn error(edits: Vec<Edit>, navet: Navet) -> String {
        let formats = Formats::standard();
        let header = header(Encoding::Latin1, 1);
        let mut writer = Writer::new(Vec::new(), navet, header, &formats).unwrap();
        let post = Post {
            subject: identity("191212121212"),
            post_id: None,
            total: false,
            overtaken: false,
            edits,
        };
        let before = writer.out.len();
        let error = writer.write(&post).unwrap_err();
        assert_eq!(writer.out.len(), before, "a post that fails leaves nothing");
        error.to_string()
    }

    #[test]
    fn what_a_file_cannot_say_is_named() {
        let name = Field::at("name/surname");
        let set = |value: &str| vec![Edit::Set(name, Value::from(value))];
        let term = "term 01014 (Personpost/Namn/Efternamn): ";
        assert_eq!(
            error(set("Kowalczyk-Łuk"), Navet::Text),
            format!("{term}a character that ISO-8859-1 does not have")
        );
        for value in ["$", "", " ", "two\nlines"] {
            assert_eq!(
                error(set(value), Navet::Text),
                format!("{term}the value cannot be written in this format")
            );
        }
        let version = Field::at("gender");
        assert_eq!(
            error(vec![Edit::Set(version, Value::from("1"))], Navet::Xml),
            "no term carries gender"
        );
        let both = vec![
            Edit::Clear(Field::at("name")),
            Edit::Set(name, Value::from("Ek")),
        ];
        assert_eq!(
            error(both, Navet::Xml),
            "name/surname is both blanked and filled"
        );
        let mark = vec![Edit::Set(
            Field::at("name/surname/attested"),
            Value::Boolean(true),
        )];
        assert_eq!(
            error(mark, Navet::Xml),
            format!("{term}the value cannot be written in this format")
        );
    }

    #[test]
    fn a_blanked_group_is_one_element_or_all_its_terms() {
        let address = Field::at("addressInformation/specialPostalAddress");
        let post = [Post {
            subject: identity("191212121212"),
            post_id: None,
            total: false,
            overtaken: false,
            edits: vec![Edit::Clear(address)],
        }];
        let case = "populationRegistrationRecord/notificationCase";
        let case = format!("{case}/totalRecord=false\n{case}/notificationDate=2025-01-07\n");
        assert_eq!(
            back(&file_of(&post, Navet::Xml, Encoding::Utf8), Navet::Xml),
            [format!("191212121212 None false\n-{address:?}\n{case}")]
        );
        let lines: String = [
            "careOf",
            "postalAddress1",
            "postalAddress2",
            "postalCode",
            "city",
        ]
        .map(|name| format!("-{address:?}/{name}\n"))
        .concat();
        assert_eq!(
            back(&file_of(&post, Navet::Text, Encoding::Utf8), Navet::Text),
            [format!("191212121212 None false\n{lines}{case}")]
        );
    }

    #[test]
    fn another_number_of_posts_than_announced_is_an_error() {
        let formats = Formats::standard();
        let writer = Writer::new(
            Vec::new(),
            Navet::Xml,
            header(Encoding::Latin1, 2),
            &formats,
        );
        assert!(matches!(
            writer.unwrap().finish(),
            Err(WriteError::WrongCount {
                announced: 2,
                written: 0
            })
        ));
    }
}
