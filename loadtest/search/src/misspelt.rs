//! Names as people misspell them, by the rules of typing and of sound, drawn with a seed. Uses nothing,
//! so that the tests of the program draw theirs by the same rules.

/// What sounds alike in Swedish names, either way.
const ALIKE: &[[&str; 2]] = &[
    ["k", "c"],
    ["k", "ch"],
    ["ck", "k"],
    ["kv", "qv"],
    ["kv", "qu"],
    ["f", "ph"],
    ["v", "w"],
    ["v", "f"],
    ["t", "th"],
    ["s", "z"],
    ["s", "ss"],
    ["i", "y"],
    ["i", "j"],
    ["ia", "ja"],
    ["ks", "x"],
    ["é", "e"],
    ["å", "aa"],
    ["ä", "ae"],
    ["ö", "oe"],
    ["å", "a"],
    ["ä", "a"],
    ["ö", "o"],
    ["l", "ll"],
    ["n", "nn"],
    ["m", "mm"],
    ["r", "rr"],
    ["t", "tt"],
    ["p", "pp"],
    ["b", "bb"],
    ["d", "dd"],
    ["sson", "son"],
    ["son", "sen"],
];

/// The rows of a Swedish keyboard.
const ROWS: [&str; 3] = ["qwertyuiopå", "asdfghjklöä", "zxcvbnm"];

/// Letters from which on a word is mistyped, and from which on twice.
const LONG: usize = 4;
const LONGER: usize = 8;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ mixed >> 31) * end as u128) >> 64) as usize
    }
}

/// The words of a name, one of them misspelt at least: by its sound, by the fingers, or both.
pub fn misspell(random: &mut Random, name: [&str; 2]) -> [String; 2] {
    let mut typed = name.map(str::to_owned);
    let first = random.below(2);
    for at in [first, 1 - first] {
        typed[at] = match random.below(4) {
            0 | 1 => by_sound(random, &typed[at]),
            2 => by_fingers(random, &typed[at]),
            _ if typed[at].chars().count() >= LONGER => {
                let once = by_fingers(random, &typed[at]);
                if random.below(2) == 0 {
                    by_fingers(random, &once)
                } else {
                    by_sound(random, &once)
                }
            }
            _ => by_sound(random, &typed[at]),
        };
        // In one of two names the other word is right.
        if typed[at] != name[at] && random.below(2) == 0 {
            break;
        }
    }
    typed
}

/// One place spelt as it might be as well; the word itself when nothing in it might.
fn by_sound(random: &mut Random, word: &str) -> String {
    let mut places = Vec::new();
    for pair in ALIKE {
        for [from, to] in [[pair[0], pair[1]], [pair[1], pair[0]]] {
            let found = word.match_indices(from);
            places.extend(
                found
                    .map(|(at, _)| (at, from, to))
                    .filter(|&(at, from, to)| is_said(word, at, from, to)),
            );
        }
    }
    if let Some(bare) = word
        .strip_prefix('h')
        .filter(|bare| bare.starts_with(is_vowel))
    {
        places.push((0, &word[..word.len() - bare.len()], ""));
    } else if word.starts_with(is_vowel) {
        places.push((0, "", "h"));
    }
    let Some(&(at, from, to)) = places.get(random.below(places.len().max(1))) else {
        return word.to_owned();
    };
    format!("{}{to}{}", &word[..at], &word[at + from.len()..])
}

/// Whether what stands at a place is said as what would be put there.
fn is_said(word: &str, at: usize, from: &str, to: &str) -> bool {
    let before = word[..at].chars().next_back();
    let next = word[at + from.len()..].chars().next();
    let soft = next.is_some_and(|c| "eiyäö".contains(c));
    let neighbours = [before, next];
    match (from, to) {
        // A c before e and i is an s; behind an s, and before a k or an h, it is something else.
        ("k" | "ck", "c" | "k") | ("k", "ch") | ("c", "k") => {
            !soft && !neighbours.iter().flatten().any(|&c| "sckhq".contains(c))
        }
        // Between vowels a consonant is doubled or not.
        ("i", "y" | "j") | ("y" | "j", "i") => {
            !neighbours.iter().flatten().any(|&c| "ijy".contains(c))
        }
        ("sen" | "son" | "sson", "son" | "sen" | "sson") => next.is_none() && before != Some('s'),
        ("t" | "f" | "p" | "d" | "b" | "l" | "n" | "m" | "r" | "s" | "v", _) => {
            let single = !neighbours.iter().flatten().any(|c| from.starts_with(*c));
            single && next != Some('h') && before.is_some()
        }
        ("a" | "o" | "e", _) => false,
        _ => true,
    }
}

fn is_vowel(c: char) -> bool {
    "aeiouyåäö".contains(c)
}

/// One letter left out, doubled by another, wrong, or swapped with the next.
fn by_fingers(random: &mut Random, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() < LONG {
        return word.to_owned();
    }
    let at = random.below(letters.len());
    let near = neighbour(random, letters[at]);
    match random.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, near),
        2 => letters[at] = near,
        _ if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => letters.swap(at - 1, at),
    }
    letters.into_iter().collect()
}

/// A key beside a key.
fn neighbour(random: &mut Random, letter: char) -> char {
    let row = ROWS.iter().find(|row| row.contains(letter));
    let row: Vec<char> = row.unwrap_or(&ROWS[0]).chars().collect();
    let at = row.iter().position(|&c| c == letter).unwrap_or(0);
    let beside = if random.below(2) == 0 {
        at.wrapping_sub(1)
    } else {
        at + 1
    };
    row.get(beside)
        .copied()
        .unwrap_or(row[usize::from(at == 0)])
}
