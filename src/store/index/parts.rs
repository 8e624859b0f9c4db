//! A section in parts: one for each set of search keys, so that who may not read a set reads bytes
//! that do not depend on it.
//!
//! ```text
//!  0 32  length of each part, in the order of the sets (64 bits each, little endian)
//! 32     the parts, one after the other
//! ```

use crate::person::view::KeySet;

/// Parts of a section.
const PARTS: usize = KeySet::ALL.len();

/// Bytes before the first part.
pub const HEAD: usize = PARTS * 8;

/// The section of these parts, in the order of the sets.
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    debug_assert_eq!(parts.len(), PARTS);
    let lengths = parts.iter().map(|part| (part.len() as u64).to_le_bytes());
    let mut section: Vec<u8> = lengths.flatten().collect();
    parts
        .iter()
        .for_each(|part| section.extend_from_slice(part));
    section
}

/// The part of one set; `None` when the section is damaged.
pub fn part(section: &[u8], set: KeySet) -> Option<&[u8]> {
    let mut rest = section.get(HEAD..)?;
    for before in 0..set as usize {
        rest = rest.get(length(section, before)?..)?;
    }
    rest.get(..length(section, set as usize)?)
}

/// Whether the parts are the whole section.
pub fn check(section: &[u8]) -> Option<()> {
    let mut all = HEAD;
    for number in 0..PARTS {
        all = all.checked_add(length(section, number)?)?;
    }
    (all == section.len()).then_some(())
}

fn length(section: &[u8], number: usize) -> Option<usize> {
    let bytes = section.get(number * 8..)?.first_chunk()?;
    usize::try_from(u64::from_le_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_has_its_part() {
        let parts = [
            b"one".to_vec(),
            Vec::new(),
            b"three".to_vec(),
            b"4".to_vec(),
        ];
        let section = join(&parts);
        for (set, part_of_it) in KeySet::ALL.into_iter().zip(&parts) {
            assert_eq!(part(&section, set), Some(&**part_of_it));
        }
        assert!(check(&section).is_some());
        for cut in 0..section.len() {
            assert!(check(&section[..cut]).is_none(), "{cut}");
        }
        assert_eq!(part(&section[..HEAD - 1], KeySet::Shown), None);
    }

    #[test]
    fn lengths_beyond_the_section_are_damage() {
        let mut section = join(&vec![b"part".to_vec(); PARTS]);
        section[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(check(&section).is_none());
        assert_eq!(part(&section, KeySet::Shown), None);
        assert_eq!(part(&section, KeySet::Hidden), None);
    }
}
